"""The journal of a run: a write-ahead log of everything a training sends to MLflow.

``journal.jsonl`` is append-only. A line is a point, ``[name, value, milliseconds since 1970, step]`` (the value as
text: JSON has no infinity), or a message, ``{"kind": …}``; attached files are stored next to it. ``cursor`` holds the
number of bytes that MLflow has. A killed process can only tear the last line, which is cut off and written again.
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
BATCH = 1000  # points that MLflow accepts in one request


def milliseconds() -> int:
    """The current time as MLflow stores it."""
    return time.time_ns() // 1_000_000


class Journal:
    """The journal of one run.

    Args:
        folder: named after the run id; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path, self._cursor = folder / "journal.jsonl", folder / "cursor"

    def exists(self) -> bool:
        """Whether it holds anything; false once the finished run is in MLflow."""
        return self._path.exists()

    def cut(self) -> None:
        """Cut off a torn last line."""
        if self.exists():
            data = self._path.read_bytes()
            os.truncate(self._path, data.rfind(b"\n") + 1)

    def append(self, lines: list[Point] | list[Message]) -> None:
        """Add lines in one write: a kill leaves a prefix, of which only the last line can be torn.

        Raises:
            BmnError: the disk is full; nothing is added.
        """
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self._path, "ab", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(text) != len(text):
                    raise OSError(None, "incomplete write")
            except OSError as error:
                file.truncate(before)
                raise BmnError(
                    f"{self._path}: cannot be written ({error.strerror}); make room, then the same command resumes"
                ) from error

    def attach(self, name: str, write: Callable[[Path], object]) -> None:
        """Keep a file for messages to refer to by name, replacing an earlier one.

        Args:
            write: creates the file at a given path.
        """
        with atomic_file(self.attached(name)) as temporary:
            write(temporary)

    def attached(self, name: str) -> Path:
        """The path of an attached file."""
        return self.folder / "files" / name

    def known(self) -> set[tuple[str, int]]:
        """Metric and step of every point."""
        return {(line[0], line[3]) for line, _ in self._lines(0) if isinstance(line, list)}

    def ended(self) -> str | None:
        """The final status of the run; None while it is running or the journal is empty."""
        if not self.exists():
            return None
        with open(self._path, "rb") as file:
            file.seek(max(0, self._path.stat().st_size - 1000))  # the line that ends a run is short
            last = file.read().splitlines()[-1:]
        found = [line["status"] for line in map(json.loads, last) if isinstance(line, dict) and "status" in line]
        return next((status for status in found if status != "RUNNING"), None)

    def unsent(self) -> Iterator[tuple[list[Point] | list[Message], int]]:
        """What MLflow does not have yet: several points or one message, and the cursor after them."""
        for is_points, group in groupby(self._lines(self._sent()), lambda pair: isinstance(pair[0], list)):
            lines = list(group)
            size = BATCH if is_points else 1
            for first in range(0, len(lines), size):
                part = lines[first : first + size]
                yield [line for line, _ in part], part[-1][1]

    def move_cursor(self, position: int) -> None:
        """Record that MLflow has everything before a position."""
        temporary = self._cursor.with_suffix(".new")
        temporary.write_text(str(position))
        os.replace(temporary, self._cursor)

    def is_finished(self) -> bool:
        """Whether the run is FINISHED and MLflow has all of it."""
        return self.ended() == "FINISHED" and self._sent() == self._path.stat().st_size

    def remove(self) -> None:
        """Delete everything. If killed midway, what is left is sent again or is empty."""
        self._cursor.unlink(missing_ok=True)
        self._path.unlink()
        shutil.rmtree(self.folder)

    def _sent(self) -> int:
        return int(self._cursor.read_text()) if self._cursor.exists() else 0

    def _lines(self, position: int) -> Iterator[tuple[Any, int]]:
        """The complete lines from a position on, each with the position after it."""
        if not self.exists():
            return
        with open(self._path, "rb") as file:
            file.seek(position)
            for line in file:
                if not line.endswith(b"\n"):  # still being written
                    return
                position += len(line)
                yield json.loads(line), position


def points(values: Mapping[str, float], step: int) -> list[Point]:
    """Metrics as points with the current time."""
    now = milliseconds()
    return [(metric_name(name), repr(float(value)), now, step) for name, value in values.items()]


def metric_name(name: str) -> str:
    """The name in MLflow, which allows no ``@``: ``AR@100`` becomes ``AR_100``."""
    return name.replace("@", "_")
