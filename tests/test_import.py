"""Importing bmn has no side effects on the process."""

import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
NAMES = sorted(
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    for path in (SRC / "bmn").rglob("*.py")
    if path.name != "__main__.py"
)

STATE = """
import importlib, logging, os, signal, sys, warnings
import matplotlib, numpy, optuna, pandas, plotly.tools, pydantic, requests, ruamel.yaml, tqdm  # they have side effects
try:
    import ray  # so has this one, which is optional
except ModuleNotFoundError:
    pass
absent = ["paddle", "mlflow", "ray"]
sys.modules |= dict.fromkeys(absent[:2], None)  # importing one of them fails

def state():
    levels = {{name: logging.getLogger(name).level for name in ("", "optuna", "matplotlib")}}
    verbosity = optuna.logging.get_verbosity()
    handlers = {{number: signal.getsignal(number) for number in signal.valid_signals()}}
    return dict(os.environ), list(warnings.filters), handlers, levels, verbosity

before, imported = state(), []
for name in {names}:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name.partition(".")[0] in absent, error
    else:
        imported.append(name)
    for was, now in zip(before, state()):
        assert was == now, (name, was, now)
print(*imported)
"""


def test_importing_a_module_has_no_side_effects():
    """All modules except those that need Paddle, which comes with its settings, or MLflow."""
    code = STATE.format(names=NAMES)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = set(done.stdout.split())
    assert {"bmn", "bmn.predict.predictor", "bmn.tuning.study", "bmn.launch.command", "bmn.launch.launcher"} <= found
    assert not {"bmn.model.network", "bmn.training.loop"} & found


@pytest.mark.parametrize("name", ["bmn", "bmn.predict.predictor"])
def test_a_library_module_imports_neither_paddle_nor_mlflow(name):
    code = f"import sys, {name}; print([n for n in ('paddle', 'mlflow', 'optuna', 'filelock') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
