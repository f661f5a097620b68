"""Proposals for any number of feature files, as PaddleVideo's predict.py gives them."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bmn.acquire.features import read_features
from bmn.base.errors import BmnError
from bmn.base.params import ProposalSettings
from bmn.data.batches import prefetch
from bmn.execution.jobs import Engine, Job, run
from bmn.predict.inputs import Item
from bmn.predict.outputs import Save
from bmn.predict.partial import PartFile
from bmn.predict.predictor import Predictor
from bmn.proposals import Result, results

PRINTED = 5  # best proposals a file
RESULT = "bmn_results_inference"  # the published name
AHEAD = 2  # batches read while one is computed
CHUNK = 32  # batches a job: enough to make up for its start, few enough to lose

Found = tuple[Item, list[Result]]
Done = tuple[list[Found], list[str]]  # of a batch: what was found, and what is wrong with the files that it lacks
Batches = Sequence[Sequence[Item]]
Compute = Callable[[Batches], Iterator[Done]]


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
    """Print the best proposals of each feature file and save all of them; what was stopped goes on.

    Args:
        compute: batches → what came of each, in any order: :func:`here`, or :func:`by_jobs`.
        origin: what all results follow from, beside the files.
        folder: of the results, ``bmn_results_inference`` with the suffix of each form.
        savers: suffix → what saves the results in that form.
        batch_size: files computed together, always the same ones: their company touches the last digits of a result.
        strict: stop at a file that cannot be read, rather than skip and report it.
        quiet: print no proposals.

    Raises:
        BmnError: files were skipped, or with ``strict`` one cannot be read; or the results cannot be written.
    """
    part = PartFile(folder / f"{RESULT}.part", dict(origin))
    batches = [items[first : first + batch_size] for first in range(0, len(items), batch_size)]
    todo = [batch for batch in batches if not all(map(part.holds, batch))]
    done = len(items) - sum(map(len, todo))
    if done:
        print(f"{part.path}: holds {done} of {len(items)} files already")
    skipped = 0
    with tqdm(total=len(items), initial=done, unit="file", disable=None) as progress:
        for found, unreadable in compute(todo):
            if strict and unreadable:
                raise BmnError(unreadable[0])
            for error in unreadable:
                tqdm.write(f"skipped: {error}", file=sys.stderr)
            skipped += len(unreadable)
            part.append([(item, proposals) for item, proposals in found if not part.holds(item)])
            if not quiet:
                for item, proposals in found:
                    tqdm.write("\n".join([f"BMN Inference results of {item.path} :", *map(str, proposals[:PRINTED])]))
            progress.update(len(found) + len(unreadable))
    if skipped < len(items):
        for form, save in savers.items():
            save(folder / f"{RESULT}.{form}", part.read(items))
        part.remove()
    if skipped:
        raise BmnError(f"{skipped} of {len(items)} files were skipped, for the reasons above; the others are done")


def here(predictor: Predictor) -> Compute:
    """Compute in this process; the next batches are read meanwhile."""

    def compute(batches: Batches) -> Iterator[Done]:
        for items, features, unreadable in prefetch(partial(read_batch, predictor.channels), batches, AHEAD):
            yield propose(items, features, predictor), unreadable

    return compute


def by_jobs(engine: Engine, choices: Mapping[str, Any]) -> Compute:
    """Compute in jobs, ``CHUNK`` batches each.

    Args:
        choices: what :func:`chunk` makes its predictor of.
    """

    def compute(batches: Batches) -> Iterator[Done]:
        chunks = [batches[first : first + CHUNK] for first in range(0, len(batches), CHUNK)]
        jobs = (
            Job(
                f"chunk {number}",
                "bmn.predict.files:chunk",
                {**choices, "batches": [[astuple(item) for item in batch] for batch in batches]},
            )
            for number, batches in enumerate(chunks)
        )
        for event in run(engine, jobs):
            if event is None:
                continue
            if event.kind == "told":
                found = [(Item(*item), proposals) for item, proposals in event.content["found"]]
                yield found, event.content["unreadable"]
            elif event.kind in ("error", "died"):
                raise BmnError(event.content["text"] if event.kind == "error" else f"{event.job}: {event.content}")

    return compute


def chunk(arguments: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    """The job: predict some batches, and tell what came of each.

    Args:
        arguments: ``batches``, of files and durations; of the predictor ``model``, ``settings``, ``device`` and
            ``use_tensorrt``.
    """
    settings = ProposalSettings(**arguments["settings"])
    predictor = Predictor(Path(arguments["model"]), settings, arguments["device"], arguments["use_tensorrt"])
    batches = [[Item(*item) for item in batch] for batch in arguments["batches"]]
    for found, unreadable in here(predictor)(batches):
        tell({"found": [(astuple(item), proposals) for item, proposals in found], "unreadable": unreadable})


def checksum(program: Path) -> str:
    """SHA-256 of a program and its weights."""
    digest = sha256(program.read_bytes())
    if program.suffix != ".onnx":
        digest.update(program.with_suffix(".pdiparams").read_bytes())
    return digest.hexdigest()


def read_batch(channels: int, items: Sequence[Item]) -> tuple[list[Item], list[NDArray[np.float32]], list[str]]:
    """Read feature files: those that are readable, their features ``[snippet, channel]``, what is wrong with others."""
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


def propose(items: Sequence[Item], features: list[NDArray[np.float32]], predictor: Predictor) -> list[Found]:
    """The proposals of each file of a batch."""
    if not items:
        return []
    rows = predictor.propose_videos(features, np.array([item.duration for item in items]))
    return [(item, results(found)) for item, found in zip(items, rows, strict=True)]
