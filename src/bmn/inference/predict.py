"""``python -m bmn.inference.predict``: proposals for feature files, as PaddleVideo's ``tools/predict.py`` gives them."""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bmn.commands import command
from bmn.config import load_params
from bmn.data.features import read_features, resize
from bmn.errors import BmnError
from bmn.files import write_json
from bmn.inference.predictor import Predictor
from bmn.proposals import Result, SoftNMS, results

BATCH_SIZE = 16
PRINTED = 5  # best proposals a file
RESULT = "bmn_results_inference.json"  # the published name


@dataclass(frozen=True)
class Item:
    """A feature file to predict, and how long its video is in seconds."""

    path: str
    duration: float


@command
def main() -> None:
    """Print the best proposals of each feature file and save all of them."""
    parser = argparse.ArgumentParser(prog="bmn.inference.predict", description=main.__doc__)
    parser.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        help='.npy files, or a list with {"feat_path": "a.npy", "duration_second": 12.5} a line',
    )
    parser.add_argument("--model", type=Path, default=Path("outputs/export"), help="program file, or its folder")
    parser.add_argument("--output", type=Path, default=Path("outputs/predict"), help=f"folder for {RESULT}")
    parser.add_argument("--duration", type=float, help="seconds, for .npy inputs; without it segments are fractions")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--params", type=Path, help="take the Soft-NMS settings from this params.yaml")
    given = parser.parse_args()

    items = [item for path in given.inputs for item in read_items(path, given.duration)]
    settings = SoftNMS(**load_params(given.params).proposals.model_dump()) if given.params else SoftNMS()
    predictor = Predictor(given.model, settings, given.device)
    found: dict[str, list[Result]] = {}
    for first in range(0, len(items), BATCH_SIZE):
        batch = items[first : first + BATCH_SIZE]
        features = [resize(read_features(Path(item.path), predictor.channels), predictor.tscale).T for item in batch]
        durations = np.array([item.duration for item in batch])
        for item, rows in zip(batch, predictor.propose_batch(np.stack(features), durations), strict=True):
            found[item.path] = results(rows)
            print(f"BMN Inference results of {item.path} :")
            for proposal in found[item.path][:PRINTED]:
                print(proposal)
    write_json(given.output / RESULT, found, indent=None)


def read_items(path: Path, duration: float | None) -> list[Item]:
    """What one input names: itself if it is a feature file, else the lines of the list.

    Raises:
        BmnError: the list cannot be read, or a line is not of its form.
    """
    if path.suffix == ".npy":
        return [Item(str(path), 1.0 if duration is None else duration)]
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BmnError(f"{path}: cannot be read as a list of feature files ({error})") from error
    items = [_item(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not items:
        raise BmnError(f"{path}: names no feature file; write a line for each")
    return items


def _item(line: str, place: str) -> Item:
    try:
        entry: Any = json.loads(line)
    except ValueError as error:
        raise BmnError(f"{place}: is not JSON ({error})") from error
    match entry:
        case {"feat_path": str(path), "duration_second": int() | float() as duration}:
            if math.isfinite(duration) and duration > 0:
                return Item(path, float(duration))
            raise BmnError(f"{place}: duration_second is {duration}; a number of seconds above 0 is expected")
    raise BmnError(f'{place}: is {line.strip()}; {{"feat_path": "a.npy", "duration_second": 12.5}} is expected')


if __name__ == "__main__":
    main()
