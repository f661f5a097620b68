"""Proposals for any number of feature files, as PaddleVideo's predict.py gives them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bmn.acquire.features import read_features
from bmn.base.errors import BmnError
from bmn.base.prefetch import prefetch
from bmn.predict.inputs import Item
from bmn.predict.outputs import Save
from bmn.predict.partial import PartFile
from bmn.predict.predictor import Predictor
from bmn.proposals import Result, results

PRINTED = 5  # best proposals a file
RESULT = "bmn_results_inference"  # the published name
AHEAD = 2  # batches read while one is computed


def predict_files(
    items: Sequence[Item],
    predictor: Predictor,
    folder: Path,
    savers: Mapping[str, Save],
    batch_size: int,
    strict: bool = False,
    quiet: bool = False,
) -> None:
    """Print the best proposals of each feature file and save all of them; what was stopped goes on.

    Args:
        folder: of the results, ``bmn_results_inference`` with the suffix of each form.
        savers: suffix → what saves the results in that form.
        batch_size: files computed together.
        strict: stop at a file that cannot be read, rather than skip and report it.
        quiet: print no proposals.

    Raises:
        BmnError: files were skipped, or with ``strict`` one cannot be read; or the results cannot be written.
    """
    origin = {"model": checksum(predictor.program), "proposals": predictor.settings.model_dump()}
    part = PartFile(folder / f"{RESULT}.part", origin)

    todo = [item for item in items if not part.holds(item)]
    if len(todo) < len(items):
        print(f"{part.path}: holds {len(items) - len(todo)} of {len(items)} files already")
    skipped = 0
    with tqdm(total=len(items), initial=len(items) - len(todo), unit="file", disable=None) as progress:
        for batch in batches(todo, predictor, batch_size):
            if strict and batch.unreadable:
                raise batch.unreadable[0]
            for error in batch.unreadable:
                tqdm.write(f"skipped: {error}", file=sys.stderr)
            skipped += len(batch.unreadable)
            found = propose(batch, predictor)
            if found:
                part.append(found)
            if not quiet:
                for item, proposals in found:
                    tqdm.write("\n".join([f"BMN Inference results of {item.path} :", *map(str, proposals[:PRINTED])]))
            progress.update(len(found) + len(batch.unreadable))
    if skipped < len(items):
        for form, save in savers.items():
            save(folder / f"{RESULT}.{form}", part.read(items))
        part.remove()
    if skipped:
        raise BmnError(f"{skipped} of {len(items)} files were skipped, for the reasons above; the others are done")


def checksum(program: Path) -> str:
    """SHA-256 of a program and its weights."""
    digest = sha256(program.read_bytes())
    if program.suffix != ".onnx":
        digest.update(program.with_suffix(".pdiparams").read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Batch:
    """Feature files, read.

    Attributes:
        items: those that could be read.
        features: of each of them ``[snippet, channel]``.
        unreadable: what is wrong with the others.
    """

    items: list[Item]
    features: list[NDArray[np.float32]]
    unreadable: list[BmnError]


def read_batch(items: Sequence[Item], channels: int) -> Batch:
    """Read feature files."""
    readable: list[Item] = []
    features: list[NDArray[np.float32]] = []
    unreadable: list[BmnError] = []
    for item in items:
        try:
            features.append(read_features(Path(item.path), channels))
            readable.append(item)
        except BmnError as error:
            unreadable.append(error)
    return Batch(readable, features, unreadable)


def batches(items: Sequence[Item], predictor: Predictor, size: int) -> Iterator[Batch]:
    """The files in batches, read in the background."""
    chunks = [items[first : first + size] for first in range(0, len(items), size)]
    return prefetch(lambda chunk: read_batch(chunk, predictor.channels), chunks, AHEAD)


def propose(batch: Batch, predictor: Predictor) -> list[tuple[Item, list[Result]]]:
    """The proposals of each file of a batch."""
    if not batch.items:
        return []
    rows = predictor.propose_videos(batch.features, np.array([item.duration for item in batch.items]))
    return [(item, results(found)) for item, found in zip(batch.items, rows, strict=True)]
