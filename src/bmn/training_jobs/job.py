"""What a job does: train or resume, then evaluate; nothing finished is repeated.

A training's folder is named after all that shapes it, and so is the file of its evaluation. Checkpoints,
``history.json`` and evaluations are therefore shared by all jobs with the same parameters.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bmn.base.files import read_json, write_json
from bmn.base.schema import Params
from bmn.data.subset import Subset
from bmn.launch.signals import StopRequest
from bmn.model.network import BMN
from bmn.model.weights import make_network
from bmn.provenance import identity
from bmn.training.distributed import join
from bmn.training.loop import Position
from bmn.training.naming import name_of_training
from bmn.training.train import Training
from bmn.training_jobs.data import open_data

INTERVAL = 5.0  # seconds between reports within an epoch

Tell = Callable[[dict[str, Any]], None]
Evaluate = Callable[[BMN, Subset], dict[str, Any]]  # of the best network and the validation subset


def train(
    params: Params, arguments: dict[str, Any], tell: Tell, evaluate: Evaluate, module: str, shaping: Any
) -> dict[str, Any]:
    """Train and evaluate, or return what an earlier run of the same job left.

    Args:
        arguments: of the job: ``data``, the folder of the converted data; ``digest``, of that data; ``folder``, for
            all trainings.
        tell: receives ``epoch``, the epochs done, ``done``, the fraction of the training, and after each epoch
            ``row``, its line of the history.
        module: the file that evaluates.
        shaping: what shapes the evaluation besides ``proposals``, as JSON.

    Raises:
        DataChangedError: the converted data changed since the driver started.
        BmnError: the training failed.
    """
    training, validation = open_data(Path(arguments["data"]), arguments["digest"])
    name, file = names(params, module, shaping, training, validation)
    folder = Path(arguments["folder"]) / name
    if not (folder / file).exists():
        world = join(params.execution.devices)
        # Another job may be running with the same parameters: wait for it.
        with (
            StopRequest() as asked,
            Training(params, training, validation, folder.parent, Path(), world, patience=-1) as session,
        ):
            report = _Report(params, session.position, len(training.store), tell)
            trained = session.run(report, asked.came)
            write_json(folder / "history.json", trained.history)
            found = evaluate(make_network(params.model, trained.best), validation)
            write_json(folder / file, found)
            return found
    for row in read_json(folder / "history.json"):
        tell({"row": row, "epoch": row["epoch"], "done": 1.0})
    result: dict[str, Any] = read_json(folder / file)
    return result


def names(params: Params, module: str, shaping: Any, training: Subset, validation: Subset) -> tuple[str, str]:
    """The names of a training's folder and of an evaluation's file in it; see :func:`train`."""
    name = name_of_training(params, training, validation, Path())
    return name, f"evaluation-{identity(Path(module), [params.proposals.model_dump(), shaping], [name])}.json"


class _Report:
    """Reports a training, including the epochs before it was resumed."""

    def __init__(self, params: Params, position: Position, windows: int, tell: Tell) -> None:
        self._iterations = params.train.epochs * (windows // params.train.batch_size)
        self._position, self._tell, self._told = position, tell, time.monotonic()
        for row in position.history:
            self.epoch(row)

    def iteration(self, position: Position, metrics: dict[str, float]) -> None:
        if time.monotonic() - self._told > INTERVAL:
            self._say({})

    def epoch(self, row: dict[str, float]) -> None:
        self._say({"row": row})

    def _say(self, more: dict[str, Any]) -> None:
        self._told = time.monotonic()
        self._tell({"epoch": self._position.epoch, "done": self._position.iteration / self._iterations, **more})
