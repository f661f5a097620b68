"""A sweep whose trainings are a formula, so that what surrounds them can be tested by the hundred.

``python cheap.py JOB`` is a worker of it, or the whole of it with as many workers as the job names.
"""

import json
import math
import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path

from bmn.base.params import Params, validate_params
from bmn.launch.command import command
from bmn.launch.lifetime import die_with
from bmn.recipes.presets import preset_params
from bmn.tuning.plan import Plan, Shared, Slot
from bmn.tuning.space import check_space, digest
from bmn.tuning.study import open_storage, open_study
from bmn.tuning.sweep import keep_working
from bmn.tuning.training_process import Outcome, TrialFailed
from bmn.tuning.worker import Sweep, work

SPACE = {
    "train.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "train.weight_decay": {"low": 0.0, "high": 1.0},
}


def make_params(**tune: object) -> Params:
    return validate_params(preset_params("embedded").model_dump() | {"tune": {"space": SPACE} | tune}, "test")


def search_plan(trials: int) -> Plan:
    return {str(number): Slot({}) for number in range(trials)}


def make_sweep(folder: Path, params: Params, plan: Plan, timeout: float = 600) -> Sweep:
    storage = open_storage(params.tune.storage, folder)
    study = open_study(storage, params.tune.study, params.tune, digest(params, "data"))
    return Sweep(Shared(study, storage), plan, params, check_space(params), time.time() + timeout, datetime.now())


def auc(params: Params, epochs: int) -> float:
    """The formula: best at a learning rate of 0.01 and no weight decay, better with every epoch."""
    return 70 - 3 * (math.log10(params.train.learning_rate) + 2) ** 2 - 10 * params.train.weight_decay + epochs


class Formula:
    """A training that takes some milliseconds a rung, or fails."""

    def __init__(self, params: Params, seconds: float, fail: bool) -> None:
        self.params, self.seconds, self.fail = params, seconds, fail

    def to(self, epochs: int) -> list[dict[str, float]]:
        time.sleep(self.seconds)
        if self.fail:
            raise TrialFailed("a bolt is loose")
        return [{"epoch": n, "val/AUC": auc(self.params, n)} for n in range(1, epochs + 1)]

    def finish(self) -> tuple[list[dict[str, float]], Outcome]:
        history = self.to(self.params.train.epochs)
        figures = {"AUC": history[-1]["val/AUC"], "milliseconds a video": 100 * self.params.train.learning_rate}
        return history, Outcome(figures, {"proposals.alpha": 0.3})


class Silent:
    """A ledger that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def begin(self, number, values, params):
        self.told.append(("begin", number, values))
        return f"run {number}"

    def log(self, run, history):
        self.told.append(("log", run, len(history)))

    def end(self, run, state, figures, notes):
        self.told.append(("end", run, state.name, figures, notes))


def starter(seconds: float = 0.0, fail: bool = False):
    def start(params: Params, searching: bool, beat) -> AbstractContextManager[Formula]:
        beat()
        return nullcontext(Formula(params, seconds, fail))

    return start


def worker_starter(folder: Path, params: Params, trials: int, **options: object):
    """What :func:`bmn.tuning.sweep.keep_working` starts workers with."""

    def start(seat: int) -> "subprocess.Popen[str]":
        return start_process(folder, params, trials, 0, **options)

    return start


def start_process(
    folder: Path, params: Params, trials: int, workers: int, **options: object
) -> "subprocess.Popen[str]":
    """A worker, or with several ``workers`` the sweep that starts them."""
    job = {"folder": str(folder), "params": params.model_dump(), "trials": trials, "workers": workers}
    words = [sys.executable, __file__, json.dumps(job | {"options": options})]
    return subprocess.Popen(words, text=True, preexec_fn=die_with(os.getpid()))


@command
def main() -> None:
    job = json.loads(sys.argv[1])
    params = validate_params(job["params"], "test")
    sweep = make_sweep(Path(job["folder"]), params, search_plan(job["trials"]))
    folder, options = Path(job["folder"]), job["options"]
    if job["workers"]:
        start = worker_starter(folder, params, job["trials"], **options)
        keep_working(sweep, job["workers"], start, lambda trial: None)
    else:
        work(sweep, starter(**options), Silent())


if __name__ == "__main__":
    main()
