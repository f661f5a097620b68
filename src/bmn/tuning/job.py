"""A job of a sweep: train or resume, then evaluate; nothing finished is repeated.

A training's folder is named after all that shapes it, and so is the file of its evaluation. Checkpoints,
``history.json`` and evaluations are therefore shared by all trials with the same parameters.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bmn.base.files import read_json, write_json
from bmn.base.params import validate_params
from bmn.base.schema import Dimension, Params
from bmn.data.batches import ordered_batches
from bmn.data.subset import Subset
from bmn.launch.signals import StopRequest
from bmn.model.network import BMN
from bmn.model.weights import make_network
from bmn.proposals import concatenate, decode, whole_videos
from bmn.proposals.subset import network_maps
from bmn.provenance import identity
from bmn.training.distributed import join
from bmn.training.loop import Position
from bmn.training.naming import name_of_training
from bmn.training.train import Training
from bmn.tuning.proposal_search import Decoded, find
from bmn.tuning.space import open_data

BATCH_SIZE = 16  # windows per forward pass of the evaluation
INTERVAL = 5.0  # seconds between reports within an epoch

Tell = Callable[[dict[str, Any]], None]


def trial(arguments: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Train with the given parameters and evaluate on the validation subset.

    Args:
        arguments: ``params``; ``searched``, the dimensions of ``proposals.`` for the inner search, if any; ``data``,
            the folder of the converted data; ``digest``, of that data; ``folder``, for all trainings.
        tell: receives ``epoch``, the epochs done, ``done``, the fraction of the training, and after each epoch
            ``row``, its line of the history.

    Returns:
        ``figures``, metrics by name, with ``AUC`` (percent) and ``milliseconds a video``, and ``proposals``, the result
        of the inner search by dotted key.

    Raises:
        DataChangedError: the converted data changed since the sweep started.
        BmnError: the training failed.
    """
    params = validate_params(arguments["params"], "the trial")
    searched = {key: Dimension(**values) for key, values in arguments["searched"].items()}

    def figures(network: BMN, validation: Subset) -> dict[str, Any]:
        return evaluate(network, validation, params, searched)

    return trained(params, [arguments["searched"], params.tune.evaluations], arguments, tell, figures)


def names(params: Params, evaluation: Any, training: Subset, validation: Subset) -> tuple[str, str]:
    """The names of a training's folder and of an evaluation's file in it.

    Args:
        evaluation: what shapes it besides ``proposals``, as JSON.
    """
    name = name_of_training(params, training, validation, Path())
    return name, f"evaluation-{identity(Path(__file__), [params.proposals.model_dump(), evaluation], [name])}.json"


def trained(
    params: Params,
    evaluation: Any,
    arguments: dict[str, Any],
    tell: Tell,
    figures: Callable[[BMN, Subset], dict[str, Any]],
) -> dict[str, Any]:
    """Train and evaluate, or return what an earlier run of the same job left.

    Args:
        evaluation: what shapes it besides ``proposals``, as JSON.
        arguments, tell: those of the job, see :func:`trial`.
        figures: evaluates the best weights, on the validation subset or another one; the result is JSON.
    """
    training, validation = open_data(Path(arguments["data"]), arguments["digest"])
    name, file = names(params, evaluation, training, validation)
    folder = Path(arguments["folder"]) / name
    if not (folder / file).exists():
        world = join(params.execution.devices)
        # Another trial may be running with the same parameters: wait for it.
        with (
            StopRequest() as asked,
            Training(params, training, validation, folder.parent, Path(), world, patience=-1) as session,
        ):
            report = _Report(params, session.position, len(training.store), tell)
            finished = session.run(report, asked.came)
            write_json(folder / "history.json", finished.history)
            found = figures(make_network(params.model, finished.best), validation)
            write_json(folder / file, found)
            return found
    for row in read_json(folder / "history.json"):
        tell({"row": row, "epoch": row["epoch"], "done": 1.0})
    result: dict[str, Any] = read_json(folder / file)
    return result


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


def evaluate(network: BMN, validation: Subset, params: Params, searched: Mapping[str, Dimension]) -> dict[str, Any]:
    """The metrics of a trained network, and the proposal parameters that suit it best."""
    decoded, seconds = decode_all(network, validation)
    searched_on, reported_on = decoded.split()
    started = time.perf_counter()
    best = find(searched_on, searched, params.proposals, params.tune.evaluations) if searched else params.proposals
    found = {key: getattr(best, key.removeprefix("proposals.")) for key in searched}
    figures = {
        "AUC": reported_on.auc(best),
        "AUC before the search": reported_on.auc(params.proposals),
        "milliseconds a video": 1000 * seconds,
        "search seconds": time.perf_counter() - started,
    }
    if searched:
        figures["AUC searched on"] = searched_on.auc(best)
    return {"figures": figures, "proposals": found}


def decode_all(network: BMN, subset: Subset) -> tuple[Decoded, float]:
    """The candidates of every video of a subset, and the network's median seconds per window."""
    parts, windows, seconds = [], [], []
    before = time.perf_counter()
    for batch, maps in network_maps(network, subset, ordered_batches(len(subset.store), BATCH_SIZE)):
        arrays = [tensor.numpy() for tensor in maps]
        seconds.append((time.perf_counter() - before) / len(batch.rows))
        parts.append(decode(*arrays))
        windows += [subset.store.windows[row] for row in batch.rows]
        before = time.perf_counter()
    candidates = whole_videos(concatenate(parts), windows, subset.durations())
    return Decoded(candidates, subset.truth()), float(np.median(seconds))
