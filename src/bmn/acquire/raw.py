"""The raw data of a project: where its parts are, as the download stage recorded it."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from bmn.base.errors import BmnError
from bmn.base.files import read_json, write_json

RECORD = "source.json"
TEXTS = ("annotations", "subsets", "ground_truth")


@dataclass(frozen=True)
class Raw:
    """The raw data of a project.

    Attributes:
        features: the folder of the feature files.
        annotations: a file, or a folder with a file a subset.
        subsets: a CSV that names the subset of each video, or None.
        ground_truth: the published ground truth, or None where the annotations are it.
    """

    features: Path
    annotations: Path
    subsets: Path | None = None
    ground_truth: Path | None = None


def record_raw(folder: Path) -> None:
    """Record a raw folder that holds ``annotations.json`` and ``features/`` itself."""
    write_json(folder / RECORD, {"annotations": {"file": "annotations.json"}, "features": {"folder": "features"}})


def open_raw(folder: Path) -> Raw:
    """Where the raw data is, from the record of :func:`bmn.acquire.sources.bring` or :func:`record_raw`.

    Raises:
        BmnError: there is no record, or the features are no longer where it says.
    """
    path = folder / RECORD
    match read_json(path):
        case {"features": {"folder": str(features)}, "annotations": {"file": str()}} as record:
            if not (folder / features).is_dir():
                raise BmnError(f"{features}: is gone; bring it back, or run dvc repro --force download")
        case _:
            raise BmnError(f"{path}: is not the record of raw data; run dvc repro --force download")
    texts = {name: folder / record[name]["file"] for name in TEXTS if name in record}
    return Raw(folder / features, **texts)


def checksum(path: Path) -> str:
    """What tells own data from its next version: the SHA-256 of a file's content; of a folder's feature files, of
    their names, sizes and times of change (so that 100 GB are not read for it).

    Raises:
        BmnError: the path cannot be read.
    """
    try:
        if path.is_file():
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        for file_path in sorted(one for one in path.rglob("*") if one.is_file()):
            about = file_path.stat()
            digest.update(os.fsencode(f"{file_path.relative_to(path)}\t{about.st_size}\t{about.st_mtime_ns}\n"))
        return digest.hexdigest()
    except OSError as error:
        raise BmnError(f"{path}: cannot be read ({error.strerror})") from error
