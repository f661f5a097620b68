"""Content checksums of files and folders; a file is read again only if it may have changed."""

import hashlib
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tqdm import tqdm

from bmn.base.errors import BmnError

SETTLED = 2.0  # seconds after which a further change is sure to show in a file's timestamps
WRITTEN = 5.0  # seconds of hashing that a kill may lose


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal.

    Raises:
        BmnError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BmnError(f"{path}: cannot be read ({error.strerror})") from error


class Checksums:
    """A cache of file checksums, keyed by path, size, timestamps and inode, so that 100 GB are read only once.

    The timestamps include ctime, which no program can set back.

    Args:
        path: of the database, created if missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known = sqlite3.connect(path, timeout=60)
        self._known.execute("CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, stamp TEXT, sha256 TEXT)")
        self._new: dict[str, tuple[str, str]] = {}  # path → stamp and checksum: not written yet
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._write()
        self._known.close()

    def of_file(self, path: Path) -> str:
        """The SHA-256 of a file's content.

        Raises:
            BmnError: the file cannot be read.
        """
        path = path.resolve()
        before = stamp(path)
        known = self._new.get(str(path)) or self._stored(path)
        if known is not None and known[0] == before:
            return known[1]
        checksum = sha256(path)
        # A file that changed while it was read, or too recently for its timestamps to tell, must be read again.
        if before == stamp(path) and time.time() - path.stat().st_ctime > SETTLED:
            self._new[str(path)] = before, checksum
            if time.monotonic() - self._written > WRITTEN:
                self._write()
        return checksum

    def of_folder(self, folder: Path, files: Iterable[Path]) -> str:
        """One checksum of a folder's files, over their contents and relative names but not the folder's own path.

        Raises:
            BmnError: a file cannot be read.
        """
        digest = hashlib.sha256()
        for path in tqdm(sorted(files), desc=f"checking {folder.name}", unit="file", disable=None, delay=2):
            digest.update(f"{path.relative_to(folder).as_posix()}\t{self.of_file(path)}\n".encode())
        return digest.hexdigest()

    def _stored(self, path: Path) -> tuple[str, str] | None:
        found = self._known.execute("SELECT stamp, sha256 FROM files WHERE path = ?", (str(path),))
        return found.fetchone()  # type: ignore[no-any-return]

    def _write(self) -> None:
        """In a transaction of its own: one that were open while files are read would keep other processes waiting."""
        rows = [(path, *known) for path, known in self._new.items()]
        self._known.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)
        self._known.commit()
        self._new.clear()
        self._written = time.monotonic()


def stamp(path: Path) -> str:
    """A string that changes whenever a file is written, moved or replaced: size, timestamps and inode.

    Raises:
        BmnError: the file does not exist.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise BmnError(f"{path}: cannot be read ({error.strerror}); restore it") from error
    return f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}"
