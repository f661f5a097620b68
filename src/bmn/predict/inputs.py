"""What can be predicted: feature files, folders of them, globs, and lists in PaddleVideo's format."""

import json
import math
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from bmn.acquire.features import SUFFIXES
from bmn.base.errors import BmnError
from bmn.base.files import unique_keys


@dataclass(frozen=True, slots=True)
class Item:
    """A feature file to predict, and how long its video is in seconds."""

    path: str
    duration: float


def find_items(inputs: Sequence[str], duration: float | None) -> list[Item]:
    """The feature files that the inputs name, in their order, each once.

    Args:
        inputs: feature files; folders, for the feature files in them and below; globs (``**`` crosses folders);
            lists with one ``{"feat_path": "a.npy", "duration_second": 12.5}`` per line.
        duration: seconds, of every file that no list names; without it 1, so that its segments are fractions.

    Raises:
        BmnError: an input names no file, a list cannot be read or has a malformed line, a file comes with two
            durations, or a duration is not above 0.
    """
    if duration is not None and not 0 < duration < math.inf:
        raise BmnError(f"the duration is {duration}; it should be a number of seconds above 0")
    items: dict[str, Item] = {}
    for given in inputs:
        for item in _items(given, 1.0 if duration is None else duration):
            if items.setdefault(item.path, item) != item:
                other = items[item.path].duration
                raise BmnError(f"{given}: {item.path} lasts {item.duration} s here and {other} s before; keep one")
    return list(items.values())


def _items(given: str, duration: float) -> list[Item]:
    path = Path(given)
    if path.is_dir():
        files = sorted(str(file) for file in path.rglob("*") if file.suffix in SUFFIXES)
    elif has_magic(given) and not path.exists():
        files = sorted(file for file in glob(given, recursive=True) if Path(file).suffix in SUFFIXES)
    elif path.suffix in SUFFIXES:
        files = [given]
    else:
        return _read_list(path)
    if not files:
        raise BmnError(f"{given}: names no feature file ({', '.join(SUFFIXES)})")
    return [Item(file, duration) for file in files]


def _read_list(path: Path) -> list[Item]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BmnError(f"{path}: cannot be read as a list of feature files ({error})") from error
    items = [_item(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not items:
        raise BmnError(f"{path}: names no feature file; write one line per file")
    return items


def _item(line: str, place: str) -> Item:
    try:
        entry: Any = json.loads(line, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise BmnError(f"{place}: is not JSON ({error})") from error
    match entry:
        case {"feat_path": str(path), "duration_second": int() | float() as duration}:
            if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
                raise BmnError(f"{place}: feat_path is {path!a:.200}, which cannot be a file name; correct it")
            if not isinstance(duration, bool) and 0 < duration <= sys.float_info.max:
                return Item(path, float(duration))
            raise BmnError(f"{place}: duration_second is {duration!s:.40}; it should be a number of seconds above 0")
    raise BmnError(
        f'{place}: is {line.strip():.200}; it should be like {{"feat_path": "a.npy", "duration_second": 12.5}}'
    )
