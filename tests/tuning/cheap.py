"""A sweep whose trainings are a formula, so that what surrounds them can be tested by the hundred.

``python cheap.py PARAMS DATA`` is the driver of it, in the working folder; ``options.json`` there says how its jobs
behave.
"""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

from bmn.base.errors import BmnError
from bmn.base.params import validate_params
from bmn.base.schema import Params
from bmn.launch.command import command
from bmn.launch.lifetime import die_with
from bmn.recipes.presets import preset_params

TESTS, ROOT = Path(__file__).parents[1], Path(__file__).parents[2]
SPACE = {
    "train.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "train.weight_decay": {"low": 0.0, "high": 1.0},
}
ENTRY = "tuning.cheap:train"


def make_params(jobs: int = 1, engine: str = "processes", address: str | None = None, **tune: object) -> Params:
    execution = {"engine": engine, "address": address, "jobs": jobs}
    confirm = {"top": 1, "seeds": 2}
    values = {"tune": {"space": SPACE, "confirm": confirm} | tune, "execution": execution}
    return validate_params(preset_params("embedded").model_dump() | values, "test")


def auc(params: Params, epochs: int) -> float:
    """The formula: best at a learning rate of 0.01 and no weight decay, better with every epoch."""
    return 70 - 3 * (math.log10(params.train.learning_rate) + 2) ** 2 - 10 * params.train.weight_decay + epochs


def read_options() -> dict[str, float]:
    return json.loads(Path("options.json").read_text()) if Path("options.json").exists() else {}


def train(arguments, tell):
    """A job that takes some milliseconds, waits until so many may go on, or does not end well."""
    params = validate_params(arguments["params"], "test")
    with open("calls", "a") as calls:
        calls.write(".")
        number = calls.tell()  # its own, whatever others write meanwhile
    while number > (options := read_options()).get("most", number):
        time.sleep(0.01)
    if params.train.weight_decay > options.get("fails above", 1):
        raise BmnError("a bolt is loose")
    if options.get("deaths", 0) >= number:
        os.kill(os.getpid(), 9)
    for epoch in range(1, params.train.epochs + 1):
        row = {"epoch": epoch, "train/loss": 1.0 / epoch, "val/AUC": auc(params, epoch)}
        tell({"row": row, "epoch": epoch, "done": epoch / params.train.epochs})
    figures = {"AUC": auc(params, params.train.epochs), "milliseconds a video": 100 * params.train.learning_rate}
    return {"figures": figures, "proposals": {"proposals.alpha": 0.3} if arguments["searched"] else {}}


def start(folder: Path, params: Params, data: Path, **pipes: int) -> "subprocess.Popen[str]":
    """Start a driver in a folder."""
    (folder / "params.json").write_text(json.dumps(params.model_dump()))
    words = [sys.executable, __file__, str(folder / "params.json"), str(data)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DVC_"))}
    environment = kept | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{TESTS}"}
    return subprocess.Popen(words, cwd=folder, env=environment, text=True, preexec_fn=die_with(os.getpid()), **pipes)


@command
def main() -> None:
    from bmn.tuning.driver import tune

    tune(validate_params(json.loads(Path(sys.argv[1]).read_text()), "test"), None, Path(sys.argv[2]), ENTRY)


if __name__ == "__main__":
    main()
