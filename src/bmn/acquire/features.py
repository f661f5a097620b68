"""Files of a folder, one per video: features, checked and arranged as ``[snippet, channel]``, or videos."""

import math
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bmn.acquire.archives import COMPRESSIONS, most_unpacked
from bmn.base.errors import BmnError
from bmn.base.ids import video_id

SUFFIXES = (".npy", ".npz", ".csv")
_VIDEO = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
VIDEO_SUFFIXES = (*_VIDEO, *(suffix.upper() for suffix in _VIDEO))  # as cameras write them
CODE = (".pkl", ".pickle", ".pt", ".pth")
"""Formats that can run code when they are read."""


def find_features(folder: Path) -> dict[str, Path]:
    """The feature files in a folder and below it, by the id of their video.

    Raises:
        BmnError: there are none, two of one video, one that would have to be unpickled, or one whose name is not
            UTF-8.
    """
    found = _find(folder, SUFFIXES + CODE)
    for path in found.values():
        if path.suffix in CODE:
            raise BmnError(f"{path}: reading it could run code inside it; save its array with numpy.save")
    if not found:
        raise BmnError(f"{folder}: contains no feature file ({', '.join(SUFFIXES)}); name another folder")
    return found


def find_videos(folder: Path) -> dict[str, Path]:
    """The video files in a folder and below it, by id; none where there are arrays: then these are the features.

    Raises:
        BmnError: there are two of one name, or one whose name is not UTF-8.
    """
    return {} if any(folder.rglob("*.np[yz]")) else _find(folder, VIDEO_SUFFIXES)


def _find(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    try:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in suffixes)
    except OSError as error:
        raise BmnError(f"{folder}: cannot be read ({error.strerror})") from error
    for path in paths:
        if path.name.startswith("."):
            continue
        if not path.name.isprintable():
            raise BmnError(f"{folder}: contains a file named {path.name!a}, which is not UTF-8; rename it")
        if (video := video_id(path.stem)) in found:
            raise BmnError(f"{path}: {found[video]} is of the same video; keep one")
        found[video] = path
    return found


def common_channels(files: Mapping[str, Path], looked_at: int = 50) -> int:
    """The number of channels that feature files share: along whichever axis they all agree, the second first.

    Args:
        looked_at: how many files to look at, spread over all of them.

    Raises:
        BmnError: a file cannot be read, or they agree along no axis.
    """
    paths = list(files.values())
    chosen = paths[:: max(1, len(paths) // looked_at)]
    shapes = [_load(path).shape for path in chosen]
    for axis in (1, 0):
        sizes = {shape[axis] for shape in shapes if len(shape) == 2}
        if len(sizes) == 1 and all(len(shape) == 2 for shape in shapes):
            return int(sizes.pop())
    for path, shape in zip(chosen, shapes, strict=True):
        if len(shape) != 2:
            raise BmnError(f"{path}: has the shape {shape}; it should be [snippet, channel]")
    counts = [Counter(shape[axis] for shape in shapes).most_common(1)[0] for axis in (0, 1)]
    axis = 0 if counts[0][1] > counts[1][1] else 1
    usual, agreeing = counts[axis]
    path, shape = next((p, s) for p, s in zip(chosen, shapes, strict=True) if s[axis] != usual)
    raise BmnError(
        f"{path}: has {shape[axis]} channels, but {agreeing} of {len(shapes)} files have {usual}; extract it again or "
        "remove it"
    )


def read_features(path: Path, channels: int) -> NDArray[np.float32]:
    """Read the features of one video.

    Args:
        path: a ``.npy`` file, an ``.npz`` with one array, or a ``.csv`` with one line per snippet, with or without a
            header. Of shape ``[snippet, channel]`` or ``[channel, snippet]``; if both fit, the former.
        channels: the number of channels.

    Returns:
        ``[snippet, channel]``, float32.

    Raises:
        BmnError: the file is missing or damaged, would have to be unpickled, has another shape, no snippets,
            or holds NaN or infinities.
    """
    array = _load(path)
    if array.ndim != 2 or channels not in array.shape or array.size == 0:
        raise BmnError(
            f"{path}: has the shape {array.shape} but must be [snippet, channel] with {channels} channels; "
            "extract it again or set the number of channels"
        )
    if array.shape[1] != channels:
        array = array.T
    with np.errstate(over="ignore"):
        features = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(features).all():
        snippet, channel = np.argwhere(~np.isfinite(features))[0]
        raise BmnError(
            f"{path}: holds {features[snippet, channel]} at snippet {snippet}, channel {channel}; extract it again"
        )
    return features


def _load(path: Path) -> NDArray[Any]:
    """The one array of numbers that a file holds, unchanged."""
    if path.suffix in CODE:
        raise BmnError(f"{path}: reading it could run code inside it; save its array with numpy.save")
    try:
        if not path.is_file():
            raise BmnError(f"{path}: no such feature file; add it or remove the video")
        if path.suffix == ".csv":
            return _load_csv(path)
        with open(path, "rb") as file:
            size = path.stat().st_size
            return _read_npz(path, file, size) if file.peek(2)[:2] == b"PK" else _read_npy(file, size)
    except BmnError:
        raise
    except Exception as error:  # NumPy's and zipfile's readers raise anything at all on nonsense
        raise BmnError(
            f"{path}: is not a readable {path.suffix} array ({_words(error)}); save it with numpy.save"
        ) from error


def _read_npz(path: Path, file: IO[bytes], size: int) -> NDArray[Any]:
    with zipfile.ZipFile(file) as packed:
        members = packed.infolist()
        if len(members) != 1:
            raise BmnError(f"{path}: holds {len(members)} arrays; save one array per file")
        [member] = members
        if member.compress_type not in COMPRESSIONS:
            raise ValueError("its array is neither stored nor deflated")
        if member.file_size > most_unpacked(size):
            raise BmnError(f"{path}: unpacks to {member.file_size} bytes; it looks like a decompression bomb")
        with packed.open(member) as content:
            array = _read_npy(content, member.file_size)
            content.read()  # to the checksum
            return array


def _read_npy(file: IO[bytes], size: int) -> NDArray[Any]:
    """The array of an ``.npy`` file of ``size`` bytes; nothing is allocated before the header is checked.

    Raises:
        ValueError: the header is damaged, does not match the size, or does not describe numbers.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, by_columns, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.kind not in "fiu":
        raise ValueError("it does not hold an array of numbers")
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"its shape is {shape}")
    wanted, found = math.prod(shape) * dtype.itemsize, size - file.tell()
    if wanted != found:
        raise ValueError(f"an array {list(shape)} takes {wanted} bytes, but {found} follow")
    content = bytearray(wanted)
    if file.readinto(content) != wanted:  # type: ignore[attr-defined]  # all binary files have it
        raise ValueError("it is truncated")
    array = np.frombuffer(content, dtype)
    return array.reshape(shape[::-1]).T if by_columns else array.reshape(shape)


def _load_csv(path: Path) -> NDArray[np.float32]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines: Iterator[str] = (line for line in file if line.strip())
            first = next(lines, "")
            fields = first.split(",")
            headed = bool(first) and _are_headings(fields)
            if first and not headed:
                lines = chain([first], lines)
            second = next(lines, None)
            if second is None:
                raise BmnError(f"{path}: holds no numbers; write one line per snippet")
            table = np.loadtxt(chain([second], lines), np.float32, comments=None, delimiter=",", ndmin=2)
            if headed and len(fields) != table.shape[1]:
                raise ValueError(f"{len(fields)} headings for {table.shape[1]} columns")
            return table
    except (OSError, ValueError) as error:  # also bytes that are not UTF-8
        raise BmnError(f"{path}: is not a table of numbers ({_words(error)}); write one line per snippet") from error


def _words(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _are_headings(fields: list[str]) -> bool:
    """Whether a line names its columns; pandas names them 0, 1, 2 by default.

    Raises:
        ValueError: some of its fields are numbers and some are not, so one of them is damaged.
    """
    texts = [field.strip() for field in fields if not _is_number(field)]
    if texts and len(texts) < len(fields):
        raise ValueError(f"its first line holds {texts[0]!r} among numbers")
    return bool(texts) or (
        len(fields) > 1 and [field.strip() for field in fields] == [str(n) for n in range(len(fields))]
    )


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
