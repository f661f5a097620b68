"""The raw data of a project: where its parts are, and the download stage's record of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bmn.acquire.inputs import is_url
from bmn.base.errors import BmnError
from bmn.base.files import read_json, write_json
from bmn.base.schema import DataParams

RECORD = "source.json"
TEXTS = ("annotations", "subsets", "ground_truth")
VIDEOS = ("extractor", "durations", "broken")  # what is recorded of features that were made of videos

Inputs = Mapping[str, str | None]
"""Identities of the inputs, from :func:`bmn.acquire.inputs.identify_inputs`."""


@dataclass(frozen=True)
class Raw:
    """The raw data of a project.

    Attributes:
        features: the folder of the feature files.
        annotations: a file, or a folder with one file per subset.
        subsets: a CSV with the subset of each video, or None.
        ground_truth: a published ground truth, or None to use the annotations.
        extractor: how the features were extracted from videos, or None if they came as files.
        durations: of those videos by id, in seconds.
        broken: what is wrong with videos that could not be decoded, by id.
    """

    features: Path
    annotations: Path
    subsets: Path | None = None
    ground_truth: Path | None = None
    extractor: dict[str, Any] | None = None
    durations: Mapping[str, float] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)


def record_raw(folder: Path) -> None:
    """Record a raw folder that contains ``annotations.json`` and ``features/``."""
    write_json(folder / RECORD, {"annotations": {"file": "annotations.json"}, "features": {}})


def open_raw(folder: Path, features: Path) -> Raw:
    """The raw data recorded by :func:`bmn.acquire.sources.bring` or :func:`record_raw`.

    Args:
        features: the folder of the feature files (:func:`features_folder`).

    Raises:
        BmnError: there is no record, or the features are missing.
    """
    path = folder / RECORD
    match read_json(path):
        case {"annotations": {"file": str()}} as record:
            if not features.is_dir():
                raise BmnError(f"{features}: is missing; restore it, or run dvc repro --force download")
        case _:
            raise BmnError(f"{path}: is not the record of raw data; run dvc repro --force download")
    texts = {name: folder / record[name]["file"] for name in TEXTS if name in record}
    videos = {name: record["features"][name] for name in VIDEOS if name in record["features"]}
    return Raw(features, **texts, **videos)


def features_folder(data: DataParams, inputs: Inputs, raw: Path, root: Path, cache: Path) -> Path:
    """The folder of the feature files."""
    if data.features is None:
        return raw / "features"
    match read_json(raw / RECORD):
        case {"features": {"place": str(place)}}:
            return cache / place / "features"
    path = root / data.features
    return path if path.is_dir() else cache_place(data.features, inputs["features"], cache) / "features"


def cache_place(source: str, sha256: str | None, cache: Path) -> Path:
    """The cache folder of a URL, or of an archive with the given checksum."""
    name = source.rstrip("/").rpartition("/")[2] if is_url(source) else "archive"
    return cache / f"{hashlib.sha256((sha256 or source).encode()).hexdigest()[:12]}-{name[:80]}"
