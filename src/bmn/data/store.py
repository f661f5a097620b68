"""One packed feature array a subset, ``<subset>.npy``, and its index, ``<subset>.json``.

Two large files in place of thousands of small ones are hashed and moved quickly, mapped into memory at no
cost, and read in any order without opening anything.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.data.windows import Window
from bmn.errors import BmnError
from bmn.files import read_json, whole_file, write_json


@dataclass(frozen=True)
class FeatureStore:
    """The packed features of one subset, mapped into memory.

    Attributes:
        path: the array file.
        windows: the window that each row shows, in the order of the rows.
        array: ``[window, snippet, channel]``, float32, read-only.
        sha256: checksum of the array file, taken while it was written.
    """

    path: Path
    windows: tuple[Window, ...]
    array: NDArray[np.float32]
    sha256: str

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def tscale(self) -> int:
        return int(self.array.shape[1])

    @property
    def channels(self) -> int:
        return int(self.array.shape[2])

    def read(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Features of some rows as the network takes them: ``[batch, channel, snippet]``, contiguous float32.

        Raises:
            BmnError: the array holds NaN or infinities, which the conversion never writes.
        """
        rows = np.asarray(rows, dtype=np.int64)
        batch = np.empty((len(rows), self.channels, self.tscale), dtype=np.float32)
        for features, row in zip(batch, rows, strict=True):
            features[:] = self.array[row].T
        finite = np.isfinite(batch).all(axis=(1, 2))
        if not finite.all():
            window = self.windows[rows[np.argmin(finite)]]
            raise BmnError(f"{self.path}: is damaged at video {window.video} (NaN); run the conversion again")
        return batch

    def verify(self) -> None:
        """Compare the array file with its checksum (reads all of it).

        Raises:
            BmnError: they differ.
        """
        with open(self.path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise BmnError(
                f"{self.path}: has the SHA-256 {found}, not {self.sha256}; run the conversion again"
            )


def write_store(
    folder: Path,
    subset: str,
    windows: Sequence[Window],
    features: Iterable[NDArray[np.float32]],
    tscale: int,
    channels: int,
) -> None:
    """Pack the features of a subset, holding one window in memory at a time.

    The array appears under its name when it is complete, and the index after it.

    Args:
        windows: what the rows show.
        features: ``[tscale, channels]`` for each window, in the same order.

    Raises:
        BmnError: the disk is full, or the folder cannot be written.
    """
    path = folder / f"{subset}.npy"
    shape = (len(windows), tscale, channels)
    digest = hashlib.sha256()
    try:
        with whole_file(path) as temporary, open(temporary, "r+b") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.seek(0)
            digest.update(file.read())
            for _, row in zip(windows, features, strict=True):
                data = np.ascontiguousarray(row.reshape(shape[1:]), dtype="<f4").data
                digest.update(data)
                file.write(data)
    except OSError as error:
        raise BmnError(f"{path}: cannot be written ({error.strerror}); make room for it") from error
    write_json(
        folder / f"{subset}.json",
        {
            "array": path.name,
            "sha256": digest.hexdigest(),
            "shape": shape,
            "windows": [[window.video, window.start, window.end] for window in windows],
        },
        indent=None,
    )


def open_store(folder: Path, subset: str) -> FeatureStore:
    """Open the packed features of a subset.

    Raises:
        BmnError: a file is missing or damaged, or the index belongs to another array.
    """
    index_path, path = folder / f"{subset}.json", folder / f"{subset}.npy"
    index = read_json(index_path)
    try:
        array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise BmnError(f"{path}: cannot be opened ({error}); run the conversion again") from error
    match index:
        case {"sha256": str(sha256), "shape": shape, "windows": list(rows)}:
            windows = tuple(Window(*row) for row in rows if isinstance(row, list) and len(row) == 3)
        case _:
            raise BmnError(f"{index_path}: is not the index of a feature store; run the conversion again")
    if [len(windows), *array.shape[1:]] != shape or list(array.shape) != shape or array.dtype != np.float32:
        raise BmnError(f"{path}: does not fit its index {index_path.name}; run the conversion again")
    return FeatureStore(path, windows, array, sha256)
