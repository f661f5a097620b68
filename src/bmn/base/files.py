"""Files that appear whole or not at all, and JSON that explains itself when it cannot be read."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to; rename it to ``path`` when the block succeeds.

    A reader sees the old file or the new one, never a part; a failed block leaves nothing behind.

    Raises:
        BmnError: the folder cannot be made or written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise BmnError(
            f"{path}: cannot be written ({error.strerror}); make the folder {path.parent} writable"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` to fill; it takes the place of ``path`` when the block succeeds.

    Raises:
        BmnError: the folder cannot be made.
    """
    if path.exists() and not path.is_dir():
        raise BmnError(f"{path}: cannot be made (a file stands there); move the file away")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise BmnError(f"{path}: cannot be made ({error.strerror}); make the folder {path.parent} writable") from error
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write ``value`` as UTF-8 JSON, whole or not at all; NaN and infinities are refused."""
    with whole_file(path) as temporary:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        BmnError: it does not exist, is not UTF-8, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BmnError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BmnError(f"{path}: cannot be read ({error})") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise BmnError(f"{path}: is not JSON ({error})") from error
