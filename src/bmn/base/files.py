"""Atomic writes of files and folders, and JSON with clear errors."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError

LARGEST_SETTINGS = 1 << 20  # bytes of a file of settings


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
    with _locked(path) as temporary:
        if path.exists() and not path.is_dir():
            raise BmnError(f"{path}: cannot be created (a file is in its place); move the file away")
        temporary.mkdir()
        yield temporary
        temporary.chmod(0o755)
        _remove(path)
        os.replace(temporary, path)


def once(path: Path, make: Callable[[], object]) -> None:
    """Have ``path`` made, unless it is there: of several processes that need it one makes it, once.

    Args:
        path: a file or folder that appears when it is complete, as :func:`atomic_file` and :func:`atomic_folder` do it.
        make: makes it.

    Raises:
        BmnError: its folder cannot be written to.
    """
    if path.exists():  # looked at first, because what is complete may be read-only
        return
    with turn(path.with_name(f"{path.name}.once")):
        if not path.exists():
            make()


@contextmanager
def turn(path: Path, refusal: str | None = None) -> Iterator[None]:
    """Have a path for this process alone, as long as the block runs or the process lives.

    Args:
        path: a file or folder, which need not exist; the lock lies beside it.
        refusal: the error where another process has it; None waits for it.

    Raises:
        BmnError: the folder cannot be written to, or another process has the path.
    """
    from filelock import FileLock, Timeout  # imported here because serving reads files without filelock installed

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=-1 if refusal is None else 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise BmnError(str(refusal)) from error
    except OSError as error:
        raise BmnError(
            f"{path}: cannot be written ({error.strerror}); make the folder {path.parent} writable"
        ) from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # while held: a waiting process then locks a new file
        lock.release()


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """Wait for one's turn at ``path`` and yield an unused temporary path beside it."""
    temporary = path.with_name(f".{path.name}.part{path.suffix}")
    with turn(path):
        try:
            _remove(temporary)
            yield temporary
        finally:
            _remove(temporary)


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
    except (ValueError, RecursionError) as error:
        raise BmnError(f"{path}: is not JSON ({error})") from error


def read_yaml(path: Path) -> Any:
    """Read a YAML file of settings.

    Raises:
        BmnError: it cannot be read, is not UTF-8 or not YAML, or holds what settings never need: more than 1 MiB,
            aliases, whole numbers of more than 64 bits, or texts that are no Unicode.
    """
    from ruamel.yaml import YAML, AliasEvent  # here, because a served model reads no settings

    try:
        size = path.stat().st_size
        if size > LARGEST_SETTINGS:
            raise BmnError(f"{path}: has {size} bytes; at most {LARGEST_SETTINGS} are allowed")
        text = path.read_text(encoding="utf-8-sig")
        if "*" in text and any(isinstance(event, AliasEvent) for event in YAML(typ="safe").parse(text)):
            raise BmnError(f"{path}: uses an alias (*); write the value out")  # a few lines of them grow without end
        values = YAML(typ="safe").load(text)
        _check_plain(values)
    except BmnError:
        raise
    except OSError as error:
        raise BmnError(f"{path}: cannot be read ({error.strerror}); run from the project's folder") from error
    except Exception as error:  # ruamel.yaml raises anything at all
        raise BmnError(f"{path}: is not YAML ({' '.join(str(error).split()):.300})") from error
    return values


def _check_plain(value: Any) -> None:
    match value:
        case dict():
            for part in (*value.keys(), *value.values()):
                _check_plain(part)
        case list() | tuple():
            for part in value:
                _check_plain(part)
        case int() if not -(2**63) <= value < 2**63:
            raise ValueError("a number has more than 64 bits")
        case str():
            value.encode()
            if "\0" in value:
                raise ValueError("a text holds a NUL")


def read_text(path: Path) -> str:
    """Read a text file, with or without a byte order mark.

    Raises:
        BmnError: the file is missing, cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise BmnError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise BmnError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise BmnError(f"{path}: cannot be read ({error.strerror})") from error


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An ``object_pairs_hook`` of :func:`json.loads`: reject duplicate keys, of which JSON silently keeps the last.

    Raises:
        ValueError: a key appears twice in an object.
    """
    value = dict(pairs)
    if len(value) < len(pairs):
        [(name, count)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {name!r} appears {count} times in one object")
    return value
