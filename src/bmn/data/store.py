"""One packed feature array per subset, ``<subset>.npy``, and its index, ``<subset>.json``.

Two large files instead of thousands of small ones are quick to hash and move, cost nothing to memory-map, and can be
read in any order without opening files.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.base.checksums import sha256
from bmn.base.errors import BmnError
from bmn.base.files import read_json, write_json
from bmn.data.windows import Cut, Window

HEADER_BYTES = 128  # of the array file: NumPy leaves room for any number of rows


@dataclass(frozen=True)
class FeatureStore:
    """The packed features of one subset, memory-mapped.

    Attributes:
        path: the array file.
        windows: the window of each row, in order.
        array: ``[window, channel, snippet]``, float32, read-only: the network's layout, so that nothing is transposed
            in every epoch.
        sha256: checksum of the array file.
        inside: the smallest fraction of a segment that a window must hold to be trained on it; 0 where windows are
            whole videos.
    """

    path: Path
    windows: tuple[Window, ...]
    array: NDArray[np.float32]
    sha256: str
    inside: float = 0.0

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def tscale(self) -> int:
        return int(self.array.shape[2])

    @property
    def channels(self) -> int:
        return int(self.array.shape[1])

    def read(self, rows: ArrayLike) -> NDArray[np.float32]:
        """The features of some rows as network input: ``[batch, channel, snippet]``, contiguous float32.

        Raises:
            BmnError: the array holds NaN or infinities, which the conversion never writes.
        """
        rows = np.asarray(rows, dtype=np.int64)
        batch: NDArray[np.float32] = np.take(self.array, rows, axis=0)
        finite = np.isfinite(batch)
        if not finite.all():
            window = self.windows[rows[np.argmin(finite.all(axis=(1, 2)))]]
            raise BmnError(f"{self.path}: is damaged at video {window.video} (NaN); run the conversion again")
        return batch

    def verify(self) -> None:
        """Check the array file against its checksum (reads all of it).

        Raises:
            BmnError: they differ.
        """
        found = sha256(self.path)
        if found != self.sha256:
            raise BmnError(f"{self.path}: has the SHA-256 {found}, not {self.sha256}; run the conversion again")


def write_store(
    folder: Path,
    subset: str,
    videos: Iterable[tuple[str, Callable[[], Iterable[Cut]]]],
    tscale: int,
    channels: int,
    work: Path,
    inside: float = 0.0,
) -> int:
    """Pack the features of a subset, holding one video in memory at a time.

    The array takes its final name when it is complete; then the index is written. An interrupted call is resumed by
    the next one at the first video that was incomplete or has changed since.

    Args:
        videos: in row order, each with a stamp that changes when its features do, and a function that returns its
            windows with their features ``[tscale, channels]``.
        work: folder of the journal; use one per choice of sizes.
        inside: recorded for those who read the store (:class:`FeatureStore`).

    Returns:
        The number of rows.

    Raises:
        BmnError: the disk is full, or a folder cannot be written.
    """
    path, part, journal = folder / f"{subset}.npy", folder / f"{subset}.npy.part", work / f"{subset}.jsonl"
    row_bytes = channels * tscale * 4
    todo = list(videos)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.rename(part)
        done = _unchanged(journal, [stamp for stamp, _ in todo]) if part.exists() else []
        windows = [Window(*window) for _, own in done for window in own]
        with open(part, "r+b" if done else "wb") as file, open(journal, "w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(line) + "\n" for line in done)
            file.truncate(HEADER_BYTES + len(windows) * row_bytes)
            file.seek(0, 2)
            for stamp, load in todo[len(done) :]:
                first = len(windows)
                for window, features in load():
                    windows.append(window)
                    file.write(np.ascontiguousarray(features.reshape(tscale, channels).T, dtype="<f4").data)
                file.flush()
                lines.write(json.dumps([stamp, _plain(windows[first:])]) + "\n")
                lines.flush()
            shape = (len(windows), channels, tscale)
            file.seek(0)
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            assert file.tell() == HEADER_BYTES
        checksum = sha256(part)
        part.replace(path)
    except OSError as error:
        raise BmnError(f"{path}: cannot be written ({error.strerror}); make room") from error
    index = {"array": path.name, "sha256": checksum, "shape": shape, "inside": inside, "windows": _plain(windows)}
    write_json(folder / f"{subset}.json", index, indent=None)
    return len(windows)


def _plain(windows: Iterable[Window]) -> list[list[Any]]:
    return [[window.video, window.start, window.end] for window in windows]


def _unchanged(journal: Path, stamps: list[str]) -> list[tuple[str, list[list[Any]]]]:
    """The leading entries of a journal whose stamps match those given, with their windows."""
    if not journal.exists():
        return []
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    done = [json.loads(line) for line in lines if line.endswith("\n")]  # a kill can tear the last one
    same = takewhile(lambda pair: pair[0][0] == pair[1], zip(done, stamps, strict=False))
    return [line for line, _ in same]


def open_store(folder: Path, subset: str) -> FeatureStore:
    """Open the packed features of a subset.

    Raises:
        BmnError: a file is missing or damaged, or the index does not match the array.
    """
    index_path, path = folder / f"{subset}.json", folder / f"{subset}.npy"
    index = read_json(index_path)
    try:
        array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise BmnError(f"{path}: cannot be opened ({error}); run the conversion again") from error
    match index:
        case {"sha256": str(checksum), "shape": shape, "inside": float(inside), "windows": list(rows)}:
            windows = tuple(Window(*row) for row in rows if isinstance(row, list) and len(row) == 3)
        case _:
            raise BmnError(f"{index_path}: is not the index of a feature store; run the conversion again")
    if [len(windows), *array.shape[1:]] != shape or list(array.shape) != shape or array.dtype != np.float32:
        raise BmnError(f"{path}: does not match its index {index_path.name}; run the conversion again")
    return FeatureStore(path, windows, array, checksum, inside)
