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
        self._done: set[tuple[str, str]] = set()
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
                whole += len(line)
                self._done.add((entry["file"], entry["stamp"]))

    def holds(self, item: Item) -> bool:
        """Whether it has the result of a file."""
        return (item.path, _stamp(item)) in self._done

    def append(self, results: Iterable[tuple[Item, Sequence[Result]]]) -> None:
        """Add results; once this returns, killing the process does not lose them.

        Raises:
            BmnError: the part file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                if not file.tell():
                    file.write(f"{self._origin}\n")
                for item, proposals in results:
                    file.write(json.dumps({"file": item.path, "stamp": _stamp(item), "proposals": proposals}) + "\n")
        except OSError as error:
            raise BmnError(
                f"{self.path}: cannot be written ({error.strerror}); make room or choose another folder"
            ) from error

    def read(self, items: Iterable[Item]) -> Iterator[tuple[Item, Sequence[Result]]]:
        """The results of the files that have one, in the part file's order, one in memory at a time."""
        wanted = {(item.path, _stamp(item)): item for item in items}
        with open(self.path, encoding="utf-8") as file:
            next(file)
            for line in file:
                entry = json.loads(line)
                item = wanted.pop((entry["file"], entry["stamp"]), None)
                if item is not None:
                    yield item, entry["proposals"]

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
