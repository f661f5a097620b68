"""The raw data of a project: where its parts are, as the download stage recorded it."""

from dataclasses import dataclass
from pathlib import Path

from bmn.errors import BmnError
from bmn.files import read_json, write_json

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
    """Where the raw data is, from the record of :func:`bmn.data.sources.bring` or :func:`record_raw`.

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
