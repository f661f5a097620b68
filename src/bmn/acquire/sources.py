"""Raw data from URLs, archives and folders, in the form that the conversion reads.

Annotations are small and are copied to the raw folder. Features stay where they are: in the user's own folder, or in
the cache where an archive was unpacked. So DVC has no thousands of files to check and copy.
"""

import shutil
from pathlib import Path
from typing import Any

from bmn.acquire.archives import DamagedArchiveError, unpack
from bmn.acquire.download import Patience, fetch
from bmn.acquire.features import find_features, find_videos
from bmn.acquire.inputs import is_url, local_path
from bmn.acquire.raw import RECORD, TEXTS, Inputs, cache_place
from bmn.acquire.videos import extracted
from bmn.base.checksums import sha256
from bmn.base.errors import BmnError
from bmn.base.files import atomic_folder, once, read_json, write_json
from bmn.base.schema import Params


def bring(
    params: Params,
    inputs: Inputs,
    folder: Path,
    root: Path,
    cache: Path,
    patience: Patience,
) -> None:
    """Fetch what the parameters name, and record it in ``source.json``.

    Args:
        params: ``data``, ``extract`` and ``execution`` are used.
        inputs: from :func:`bmn.acquire.inputs.identify_inputs`.
        folder: the raw folder, written atomically.
        root: the folder that relative paths start from.
        cache: of downloads and unpacked archives; complete ones are not fetched again, and processes that share it
            wait for each other's.
        patience: with servers.

    Raises:
        BmnError: something cannot be fetched, found, unpacked or written, or has the wrong checksum.
    """
    data, record = params.data, dict[str, Any]()
    with atomic_folder(folder) as temporary:
        for name in TEXTS:
            source = getattr(data, name)
            if source is not None:
                wanted = data.annotations_sha256 if name == "annotations" else None
                record[name] = _text(name, source, wanted, inputs[name], temporary, root, cache, patience)
        record["features"] = _features(params, inputs["features"], root, cache, patience)
        write_json(temporary / RECORD, record)


def _text(
    name: str,
    source: str,
    wanted: str | None,
    recorded: str | None,
    folder: Path,
    root: Path,
    cache: Path,
    patience: Patience,
) -> dict[str, str | None]:
    """Copy a file, or a folder of them, into the raw folder; return its record."""
    if is_url(source):
        path = cache_place(source, None, cache) / "file"
        once(path, lambda: fetch(source, path, wanted, patience))
        recorded = sha256(path)
    else:
        path = local_path(f"data.{name}", source, root)
    _check(path, name, recorded, wanted)
    try:
        if path.is_dir():
            shutil.copytree(path, folder / name)
            return {"file": name, "sha256": recorded}
        copy = shutil.copyfile(path, folder / f"{name}.txt")
    except (OSError, shutil.Error) as error:
        raise BmnError(f"{path}: cannot be copied ({error})") from error
    if sha256(copy) != recorded:
        raise BmnError(f"{path}: changed while the pipeline was running; run dvc repro again")
    return {"file": f"{name}.txt", "sha256": recorded}


def _check(path: Path, name: str, found: str | None, wanted: str | None) -> None:
    if wanted is not None and found != wanted:
        raise BmnError(
            f"{path}: has the SHA-256 {found}, not data.{name}_sha256 ({wanted}); correct it or set it to null"
        )


def _features(params: Params, recorded: str | None, root: Path, cache: Path, patience: Patience) -> dict[str, Any]:
    """The record of the features; an archive is fetched and unpacked, features of videos are extracted."""
    source, wanted = params.data.features, params.data.features_sha256
    assert source is not None, "the parameters are checked"
    place = cache_place(source, recorded, cache)
    if is_url(source):
        return _downloaded(source, wanted, place, patience)
    path = local_path("data.features", source, root)
    if path.is_dir():
        if wanted is not None:
            raise BmnError(
                "params.yaml: data.features_sha256 is the checksum of an archive, but data.features is a folder; set "
                "it to null"
            )
        if videos := find_videos(path):
            return {"sha256": recorded, "files": len(videos), **extracted(videos, params, root, cache)}
        return {"sha256": recorded, "files": len(find_features(path))}
    _check(path, "features", recorded, wanted)
    return {"sha256": recorded, "files": _unpacked(path, place)}


def _downloaded(source: str, wanted: str | None, place: Path, patience: Patience) -> dict[str, str | int | None]:
    done = place / "done.json"
    once(done, lambda: _download(source, wanted, place, patience))
    record: dict[str, str | int | None] = read_json(done)
    if wanted not in (None, record["sha256"]):
        raise BmnError(f"{source}: had the SHA-256 {record['sha256']}, not {wanted}; correct data.features_sha256")
    return record


def _download(source: str, wanted: str | None, place: Path, patience: Patience) -> None:
    """Fetch and unpack an archive; its record, ``done.json``, is written last."""
    archive = place / "archive"
    found = sha256(archive) if archive.exists() else fetch(source, archive, wanted, patience).sha256
    try:
        record = {"from": source, "sha256": found, "files": _unpacked(archive, place)}
    except DamagedArchiveError:
        archive.unlink()  # so that the next run fetches it again
        raise
    write_json(place / "done.json", record)
    archive.unlink()


def _unpacked(archive: Path, place: Path) -> int:
    """Unpack an archive into ``place``, once; return the number of its feature files."""
    folder = place / "features"

    def make() -> None:
        unpack(archive, place / "part")
        (place / "part").rename(folder)

    once(folder, make)
    return len(find_features(folder))
