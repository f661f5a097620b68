"""What a person may give to predict: feature files, and lists of them in PaddleVideo's form."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bmn.errors import BmnError


@dataclass(frozen=True)
class Item:
    """A feature file to predict, and how long its video is in seconds."""

    path: str
    duration: float


def read_items(path: Path, duration: float | None) -> list[Item]:
    """What one input names: itself if it is a feature file, else the lines of the list.

    Args:
        duration: seconds, of a feature file; without it 1, so that its segments are fractions.

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
