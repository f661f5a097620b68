"""Partial results of a long prediction, from which a later start resumes."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.predict.inputs import Item
from bmn.proposals import Result


class PartFile:
    """Partial results: a header line with their origin, then one ``{"file", "stamp", "proposals"}`` per line.

    A result is valid while its file and duration are unchanged. A part file of another origin is discarded, and a
    line that a killed process left incomplete is cut off.

    Args:
        path: of the part file, created with the first result.
        origin: what all results depend on besides the files: model and settings.
    """

    def __init__(self, path: Path, origin: dict[str, Any]) -> None:
        self.path, self._origin = path, json.dumps(origin)
        self._places: dict[tuple[str, str], int] = {}
        if path.exists():
            self._resume()

    def _resume(self) -> None:
        with open(self.path, "r+b") as file:
            if file.readline() != f"{self._origin}\n".encode():
                file.truncate(0)
            whole = file.tell()
            for line in file:
                entry = _entry(line)
                if entry is None:
                    file.truncate(whole)
                    break
                self._places[entry["file"], entry["stamp"]] = whole
                whole += len(line)

    def holds(self, item: Item) -> bool:
        """Whether it has the result of a file."""
        return (item.path, _stamp(item)) in self._places

    def append(self, results: Iterable[tuple[Item, Sequence[Result]]]) -> None:
        """Add results; once this returns, killing the process does not lose them.

        Raises:
            BmnError: the part file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab") as file:
                if not file.tell():
                    file.write(f"{self._origin}\n".encode())
                for item, proposals in results:
                    self._places[item.path, _stamp(item)] = file.tell()
                    line = json.dumps({"file": item.path, "stamp": _stamp(item), "proposals": proposals})
                    file.write(f"{line}\n".encode())
        except OSError as error:
            raise BmnError(
                f"{self.path}: cannot be written ({error.strerror}); make room or choose another folder"
            ) from error

    def read(self, items: Iterable[Item]) -> Iterator[tuple[Item, Sequence[Result]]]:
        """The results of the files that have one, in the order of the files, one in memory at a time."""
        with open(self.path, "rb") as file:
            for item in items:
                place = self._places.get((item.path, _stamp(item)))
                if place is not None:
                    file.seek(place)
                    yield item, json.loads(file.readline())["proposals"]

    def remove(self) -> None:
        """Delete the file; its results have been saved."""
        self.path.unlink(missing_ok=True)


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return entry if line.endswith(b"\n") else None


def _stamp(item: Item) -> str:
    """Changes when the file is rewritten or its duration differs."""
    try:
        changed = Path(item.path).stat().st_mtime_ns
    except OSError:
        changed = 0
    return f"{item.duration} {changed}"
