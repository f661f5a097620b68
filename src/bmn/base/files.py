"""Atomic writes of files and folders, and JSON with clear errors."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to ``path`` when the block succeeds.

    Readers see the old file or the new one, never part of it; a failed block leaves nothing behind. Concurrent writers
    take turns, and each removes what a killed one left behind.

    Raises:
        BmnError: the folder cannot be created or written to.
    """
    with _locked(path) as temporary:
        yield temporary
        os.chmod(temporary, 0o644)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; it replaces ``path`` when the block succeeds.

    Concurrent writers are treated as in :func:`atomic_file`.

    Raises:
        BmnError: the folder cannot be created.
    """
    if path.exists() and not path.is_dir():
        raise BmnError(f"{path}: cannot be created (a file is in its place); move the file away")
    with _locked(path) as temporary:
        temporary.mkdir()
        yield temporary
        temporary.chmod(0o755)
        _remove(path)
        os.replace(temporary, path)


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """Lock ``path`` and yield an unused temporary path beside it."""
    from filelock import FileLock  # imported here because serving reads files without filelock installed

    temporary = path.with_name(f".{path.name}.part{path.suffix}")
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise BmnError(
            f"{path}: cannot be written ({error.strerror}); make the folder {path.parent} writable"
        ) from error
    try:
        _remove(temporary)
        yield temporary
    finally:
        _remove(temporary)
        Path(lock.lock_file).unlink(missing_ok=True)  # while held: a waiting process then locks a new file
        lock.release()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write ``value`` as UTF-8 JSON, atomically; NaN and infinities are rejected."""
    with atomic_file(path) as temporary:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        BmnError: the file does not exist, is not UTF-8, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BmnError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BmnError(f"{path}: cannot be read ({error})") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise BmnError(f"{path}: is not JSON ({error})") from error
