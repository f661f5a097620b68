"""Proposals for any number of feature files, printed like PaddleVideo's predict.py."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bmn.acquire.features import read_features
from bmn.base.checksums import sha256
from bmn.base.errors import BmnError
from bmn.base.prefetch import prefetch
from bmn.classify.classifier import FILE
from bmn.classify.results import labelled_results
from bmn.execution.lists import Task
from bmn.predict.inputs import Item
from bmn.predict.outputs import Save
from bmn.predict.partial import PartFile
from bmn.predict.predictor import Predictor
from bmn.proposals import ProposalSettings, Result, results

PRINTED = 5  # best proposals per file
RESULT = "bmn_results_inference"  # the published name
AHEAD = 2  # batches read ahead
CHUNK = 32  # batches of a job

Found = tuple[Item, Sequence[Result]]
Batches = Sequence[Sequence[tuple[str, float]]]  # the files, and how long their videos are in seconds
Hear = Callable[[dict[str, Any]], None]
Compute = Callable[[Batches, Hear], None]


def predict_files(
    items: Sequence[Item],
    compute: Compute,
    origin: Mapping[str, Any],
    folder: Path,
    savers: Mapping[str, Save],
    batch_size: int,
    strict: bool = False,
    quiet: bool = False,
) -> None:
    """Print the best proposals of each feature file and save all of them; resume after an interruption.

    Args:
        compute: computes batches, in any order, and tells of each as :func:`predict_batches` does.
        origin: what the results depend on besides the files (:func:`origin_of`).
        folder: for the results, ``bmn_results_inference`` plus the suffix of each format.
        savers: by suffix.
        batch_size: files computed together. A resumed run recomputes whole batches: the files of a batch affect the
            last digits of each other's results.
        strict: stop at an unreadable file instead of skipping and reporting it.
        quiet: print no proposals.

    Raises:
        BmnError: files were skipped, one is unreadable (``strict``), or the results cannot be written.
    """
    part = PartFile(folder / f"{RESULT}.part", dict(origin))
    batches = [items[first : first + batch_size] for first in range(0, len(items), batch_size)]
    todo = [batch for batch in batches if not all(map(part.holds, batch))]
    held = sum(map(part.holds, items))
    if held:
        print(f"{part.path}: already holds {held} of {len(items)} files")
    skipped: list[str] = []
    progress = tqdm(total=len(items), initial=len(items) - sum(map(len, todo)), unit="file", disable=None)

    def hear(told: dict[str, Any]) -> None:
        if strict and told["unreadable"]:
            raise BmnError(told["unreadable"][0])
        for error in told["unreadable"]:
            tqdm.write(f"skipped: {error}", file=sys.stderr)
        skipped.extend(told["unreadable"])
        found = [(Item(*item), proposals) for item, proposals in told["found"]]
        if found:
            part.append([(item, proposals) for item, proposals in found if not part.holds(item)])
        if not quiet:
            for item, proposals in found:
                tqdm.write("\n".join([f"BMN Inference results of {item.path} :", *map(str, proposals[:PRINTED])]))
        progress.update(len(found) + len(told["unreadable"]))

    with progress:
        compute([[astuple(item) for item in batch] for batch in todo], hear)
    if len(skipped) < len(items):
        for suffix, save in savers.items():
            save(folder / f"{RESULT}.{suffix}", part.read(items))
        part.remove()
    if skipped:
        raise BmnError(f"{len(skipped)} of {len(items)} files were skipped, see above; the others are done")


def predict_batches(batches: Batches, predictor: Predictor, labels: bool, tell: Hear) -> None:
    """Predict batches of feature files, reading ahead.

    Args:
        labels: predict detections instead of proposals.
        tell: receives of each batch ``found``, its files with their results, and ``unreadable``, the errors of the
            others.
    """
    files = [[Item(*item) for item in batch] for batch in batches]
    for items, features, unreadable in prefetch(partial(read_batch, predictor.channels), files, AHEAD):
        found = [(astuple(item), each) for item, each in propose(items, features, predictor, labels)]
        tell({"found": found, "unreadable": unreadable})


def predict(arguments: dict[str, Any], tell: Hear) -> None:
    """The job: :func:`predict_batches` of some ``items``, with the arguments of the ``predictor`` and ``labels``."""
    program, settings, device, use_tensorrt = arguments["predictor"]
    predictor = Predictor(Path(program), ProposalSettings(**settings), device, use_tensorrt)
    predict_batches(arguments["items"], predictor, arguments["labels"], tell)


def task_of(
    items: Sequence[Item], program: Path, settings: ProposalSettings, device: str, use_tensorrt: bool, labels: bool
) -> Task:
    """The prediction of batches of files; see :class:`bmn.predict.predictor.Predictor`."""
    predictor = [str(program.absolute()), settings.model_dump(), device, use_tensorrt]
    reads = {program, *(Path(item.path).parent for item in items)}
    return Task(f"{__name__}:{predict.__name__}", {"predictor": predictor, "labels": labels}, CHUNK, reads)


def origin_of(program: Path, settings: ProposalSettings, labels: bool) -> dict[str, Any]:
    """What the results depend on besides the files: the model, the settings and, with ``labels``, the classifier."""
    origin = {"model": checksum(program), "proposals": settings.model_dump()}
    if labels:
        classifier = program.with_name(FILE)
        origin["classifier"] = sha256(classifier) if classifier.exists() else ""
    return origin


def checksum(program: Path) -> str:
    """The SHA-256 of a program and that of its weights, which only ``.onnx`` includes."""
    files = [program] if program.suffix == ".onnx" else [program, program.with_suffix(".pdiparams")]
    return " ".join(map(sha256, files))


def read_batch(channels: int, items: Sequence[Item]) -> tuple[list[Item], list[NDArray[np.float32]], list[str]]:
    """Read feature files: the readable ones, the features ``[snippet, channel]`` of each, the errors of the others."""
    readable: list[Item] = []
    features: list[NDArray[np.float32]] = []
    unreadable: list[str] = []
    for item in items:
        try:
            features.append(read_features(Path(item.path), channels))
            readable.append(item)
        except BmnError as error:
            unreadable.append(str(error))
    return readable, features, unreadable


def propose(
    items: Sequence[Item], features: Sequence[NDArray[np.float32]], predictor: Predictor, labels: bool
) -> list[Found]:
    """The proposals, or with ``labels`` the detections, of each file in a batch."""
    if not items:
        return []
    durations = np.array([item.duration for item in items])
    found: Sequence[Sequence[Result]]
    if labels:
        found = [labelled_results(each) for each in predictor.detect_videos(features, durations)]
    else:
        found = [results(each) for each in predictor.propose_videos(features, durations)]
    return list(zip(items, found, strict=True))
