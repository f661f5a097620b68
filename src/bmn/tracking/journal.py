"""The journal of a run: all that a training tells MLflow, in order, on disk before anything else counts on it.

``journal.jsonl`` only grows. A line is a point, ``[name, value, milliseconds since 1970, step]`` (the value as text:
JSON has no infinity), or a message, ``{"kind": …}``; files that messages speak of lie beside it. ``cursor`` says how
many bytes MLflow has. A killed process can tear the last line only, which is cut off and comes again.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.files import atomic_file

Point = tuple[str, str, int, int]
Message = dict[str, Any]
AT_ONCE = 1000  # points that MLflow takes in one request


def milliseconds() -> int:
    """Now, as MLflow counts time."""
    return time.time_ns() // 1_000_000


class Journal:
    """The journal of one run.

    Args:
        folder: its place; the name is the id of the run. It need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path, self._cursor = folder / "journal.jsonl", folder / "cursor"

    def exists(self) -> bool:
        """Whether anything was told that is not known to be with MLflow for good."""
        return self._path.exists()

    def cut(self) -> None:
        """Cut off a last line that is torn."""
        if self.exists():
            data = self._path.read_bytes()
            os.truncate(self._path, data.rfind(b"\n") + 1)

    def append(self, lines: list[Point] | list[Message]) -> None:
        """Add lines, in one write: a kill leaves the first of them whole, and none torn but the last that is there.

        Raises:
            BmnError: the disk is full; nothing is added.
        """
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self._path, "ab", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(text) != len(text):
                    raise OSError(None, "only in part")
            except OSError as error:
                file.truncate(before)
                raise BmnError(
                    f"{self._path}: cannot be written ({error.strerror}); make room, then the same command goes on"
                ) from error

    def attach(self, name: str, write: Callable[[Path], object]) -> None:
        """Keep a file, under a name that messages can speak of; it takes the place of an earlier one.

        Args:
            write: makes the file where it is told.
        """
        with atomic_file(self.attached(name)) as temporary:
            write(temporary)

    def attached(self, name: str) -> Path:
        """Where the file of that name lies."""
        return self.folder / "files" / name

    def known(self) -> set[tuple[str, int]]:
        """Metric and step of every point."""
        return {(line[0], line[3]) for line, _ in self._lines(0) if isinstance(line, list)}

    def ended(self) -> str | None:
        """The status that the run ends with; None while it goes on, or where nothing was told."""
        if not self.exists():
            return None
        with open(self._path, "rb") as file:
            file.seek(max(0, self._path.stat().st_size - 1000))  # a line that ends a run is short
            last = file.read().splitlines()[-1:]
        found = [line["status"] for line in map(json.loads, last) if isinstance(line, dict) and "status" in line]
        return next((status for status in found if status != "RUNNING"), None)

    def unsent(self) -> Iterator[tuple[list[Point] | list[Message], int]]:
        """What MLflow does not have yet: several points, or one message, and the cursor behind them."""
        for is_points, group in groupby(self._lines(self._sent()), lambda pair: isinstance(pair[0], list)):
            lines = list(group)
            size = AT_ONCE if is_points else 1
            for first in range(0, len(lines), size):
                part = lines[first : first + size]
                yield [line for line, _ in part], part[-1][1]

    def move_cursor(self, place: int) -> None:
        """Remember that MLflow has everything before a place."""
        temporary = self._cursor.with_suffix(".new")
        temporary.write_text(str(place))
        os.replace(temporary, self._cursor)

    def is_finished(self) -> bool:
        """Whether the run is FINISHED and MLflow has all of it."""
        return self.ended() == "FINISHED" and self._sent() == self._path.stat().st_size

    def remove(self) -> None:
        """Forget everything. Killed meanwhile, what is left is sent once more, or is nothing."""
        self._cursor.unlink(missing_ok=True)
        self._path.unlink()
        shutil.rmtree(self.folder)

    def _sent(self) -> int:
        return int(self._cursor.read_text()) if self._cursor.exists() else 0

    def _lines(self, begin: int) -> Iterator[tuple[Any, int]]:
        """The whole lines from a place on, each with the place behind it."""
        if not self.exists():
            return
        with open(self._path, "rb") as file:
            file.seek(begin)
            for line in file:
                if not line.endswith(b"\n"):  # is being written
                    return
                begin += len(line)
                yield json.loads(line), begin


def points(values: Mapping[str, float], step: int) -> list[Point]:
    """Metrics as points of now; MLflow allows no ``@`` in a name, ``AR@100`` becomes ``AR_100``."""
    now = milliseconds()
    return [(metric_name(name), repr(float(value)), now, step) for name, value in values.items()]


def metric_name(name: str) -> str:
    """A name that MLflow allows: ``AR@100`` becomes ``AR_100``."""
    return name.replace("@", "_")
