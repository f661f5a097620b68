"""``python -m bmn.predict.predict``: proposals for feature files, as PaddleVideo's predict.py gives them."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bmn.acquire.features import read_features
from bmn.base.errors import BmnError
from bmn.data.batches import prefetch
from bmn.launch.command import command
from bmn.predict.inputs import Item, find_items
from bmn.predict.outputs import FORMATS
from bmn.predict.partial import PartFile
from bmn.predict.predictor import Predictor, settings_of
from bmn.proposals import Result, results

PRINTED = 5  # best proposals a file
RESULT = "bmn_results_inference"  # the published name
AHEAD = 2  # batches read while one is computed


@command
def main() -> None:
    """Print the best proposals of each feature file and save all of them."""
    given = arguments()
    items = find_items(given.inputs, given.duration)
    settings = settings_of(given.params)
    predictor = Predictor(given.model, settings, given.device, given.use_tensorrt)
    origin = {"model": checksum(predictor.program), "proposals": settings.model_dump()}
    part = PartFile(given.output / f"{RESULT}.part", origin)

    todo = [item for item in items if not part.holds(item)]
    if len(todo) < len(items):
        print(f"{part.path}: holds {len(items) - len(todo)} of {len(items)} files already")
    skipped = 0
    with tqdm(total=len(items), initial=len(items) - len(todo), unit="file", disable=None) as progress:
        for batch in batches(todo, predictor, given.batch_size):
            if given.strict and batch.unreadable:
                raise batch.unreadable[0]
            for error in batch.unreadable:
                tqdm.write(f"skipped: {error}", file=sys.stderr)
            skipped += len(batch.unreadable)
            found = propose(batch, predictor)
            if found:
                part.append(found)
            if not given.quiet:
                for item, proposals in found:
                    tqdm.write("\n".join([f"BMN Inference results of {item.path} :", *map(str, proposals[:PRINTED])]))
            progress.update(len(found) + len(batch.unreadable))
    if skipped < len(items):
        for form in given.format:
            FORMATS[form](given.output / f"{RESULT}.{form}", part.read(items))
        part.remove()
    if skipped:
        raise BmnError(f"{skipped} of {len(items)} files were skipped, for the reasons above; the others are done")


def arguments() -> argparse.Namespace:
    """What the command was asked for."""
    parser = argparse.ArgumentParser(prog="bmn.predict.predict", description=main.__doc__)
    add = parser.add_argument
    add("inputs", nargs="+", help='feature files, folders, globs, lists of {"feat_path": …, "duration_second": …}')
    add("--model", type=Path, default=Path("outputs/export"), help="program (.pdmodel, .json, .onnx) or its folder")
    add("--output", type=Path, default=Path("outputs/predict"), help=f"folder for {RESULT}")
    add("--format", nargs="+", choices=FORMATS, default=["json"], help="forms of the result; png: a timeline")
    add("--duration", type=float, help="seconds, of files that no list names; without it segments are fractions")
    add("--device", choices=["cpu", "gpu"], default="cpu")
    add("--use-tensorrt", action="store_true", help="on a GPU")
    add("--batch-size", type=int, default=16, help="files computed together")
    add("--params", type=Path, help="take proposals.* from this params.yaml, not the published values")
    add("--strict", action="store_true", help="stop at a file that cannot be read, rather than skip it")
    add("--quiet", action="store_true", help="print no proposals")
    given = parser.parse_args()
    if given.batch_size < 1:
        raise BmnError(f"--batch-size is {given.batch_size}; 1 or more is expected")
    return given


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


if __name__ == "__main__":
    main()
