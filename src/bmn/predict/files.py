"""Proposals for any number of feature files, printed like PaddleVideo's predict.py."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bmn.acquire.features import read_features
from bmn.base.checksums import sha256
from bmn.base.errors import BmnError
from bmn.classify.classifier import FILE
from bmn.classify.results import labelled_results
from bmn.data.batches import prefetch
from bmn.predict.inputs import Item
from bmn.predict.outputs import Save
from bmn.predict.partial import PartFile
from bmn.predict.predictor import Predictor
from bmn.proposals import Result, results

PRINTED = 5  # best proposals per file
RESULT = "bmn_results_inference"  # the published name
AHEAD = 2  # batches read ahead


def predict_files(
    items: Sequence[Item],
    predictor: Predictor,
    folder: Path,
    savers: Mapping[str, Save],
    batch_size: int,
    strict: bool = False,
    quiet: bool = False,
    labels: bool = False,
) -> None:
    """Print the best proposals of each feature file and save all of them; resume after an interruption.

    Args:
        folder: for the results, ``bmn_results_inference`` plus the suffix of each format.
        savers: by suffix.
        batch_size: files computed together.
        strict: stop at an unreadable file instead of skipping and reporting it.
        quiet: print no proposals.
        labels: predict labelled detections instead of proposals.

    Raises:
        BmnError: files were skipped, one is unreadable (``strict``), or the results cannot be written.
    """
    origin = {"model": checksum(predictor.program), "proposals": predictor.settings.model_dump()}
    if labels:
        classifier = predictor.program.with_name(FILE)
        origin["classifier"] = sha256(classifier) if classifier.exists() else ""
    part = PartFile(folder / f"{RESULT}.part", origin)

    todo = [item for item in items if not part.holds(item)]
    if len(todo) < len(items):
        print(f"{part.path}: already holds {len(items) - len(todo)} of {len(items)} files")
    skipped = 0
    with tqdm(total=len(items), initial=len(items) - len(todo), unit="file", disable=None) as progress:
        for batch in batches(todo, predictor, batch_size):
            if strict and batch.unreadable:
                raise batch.unreadable[0]
            for error in batch.unreadable:
                tqdm.write(f"skipped: {error}", file=sys.stderr)
            skipped += len(batch.unreadable)
            found = propose(batch, predictor, labels)
            if found:
                part.append(found)
            if not quiet:
                for item, proposals in found:
                    tqdm.write("\n".join([f"BMN Inference results of {item.path} :", *map(str, proposals[:PRINTED])]))
            progress.update(len(found) + len(batch.unreadable))
    if skipped < len(items):
        for suffix, save in savers.items():
            save(folder / f"{RESULT}.{suffix}", part.read(items))
        part.remove()
    if skipped:
        raise BmnError(f"{skipped} of {len(items)} files were skipped, see above; the others are done")


def checksum(program: Path) -> str:
    """The SHA-256 of a program and that of its weights, which only ``.onnx`` includes."""
    files = [program] if program.suffix == ".onnx" else [program, program.with_suffix(".pdiparams")]
    return " ".join(map(sha256, files))


@dataclass(frozen=True)
class Batch:
    """A batch of feature files.

    Attributes:
        items: the readable ones.
        features: ``[snippet, channel]`` of each.
        unreadable: the errors of the others.
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


def propose(batch: Batch, predictor: Predictor, labels: bool = False) -> list[tuple[Item, Sequence[Result]]]:
    """The proposals, or with ``labels`` the detections, of each file in a batch."""
    if not batch.items:
        return []
    durations = np.array([item.duration for item in batch.items])
    found: Sequence[Sequence[Result]]
    if labels:
        found = [labelled_results(each) for each in predictor.detect_videos(batch.features, durations)]
    else:
        found = [results(each) for each in predictor.propose_videos(batch.features, durations)]
    return list(zip(batch.items, found, strict=True))
