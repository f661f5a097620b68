import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_imports_neither_paddle_nor_mlflow_nor_numpy():
    heavy = ("paddle", "mlflow", "numpy", "pandas", "pydantic")
    assert python(f"import sys, bmn; bmn.load; print([name for name in {heavy} if name in sys.modules])") == "[]\n"
