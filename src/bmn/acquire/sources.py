"""Raw data from wherever it is: URLs, archives and folders, brought to the form that the conversion reads.

What is small (annotations) is copied to the raw folder. Features stay where they are: in a person's own folder, or
in the cache where an archive was unpacked. DVC then has no thousands of files to look at and nothing to copy.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from bmn.acquire.archives import DamagedArchiveError, unpack
from bmn.acquire.download import Patience, fetch
from bmn.acquire.features import find_features
from bmn.acquire.raw import RECORD, TEXTS, checksum
from bmn.base.errors import BmnError
from bmn.base.files import read_json, whole_folder, write_json
from bmn.base.params import DataParams


def bring(data: DataParams, folder: Path, root: Path, cache: Path, patience: Patience) -> None:
    """Bring what the parameters name, and record it in ``source.json``.

    Args:
        folder: the raw folder, written whole or not at all.
        root: the folder that relative paths start from.
        cache: where downloads and unpacked archives are kept; a finished one is not fetched again.
        patience: with servers.

    Raises:
        BmnError: something cannot be fetched, found, unpacked or written, or has another checksum.
    """
    checksums = {"annotations": data.annotations_sha256}
    record: dict[str, Any] = {}
    with whole_folder(folder) as temporary:
        for name in TEXTS:
            source = getattr(data, name)
            if source is not None:
                path = _local(source, root, cache, checksums.get(name), patience)
                record[name] = _copied(path, temporary, name, checksums.get(name)) | {"from": source}
        assert data.features is not None, "the parameters are checked"
        record["features"] = _features(data.features, root, cache, data.features_sha256, patience)
        write_json(temporary / RECORD, record)


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _place(source: str, cache: Path) -> Path:
    """The folder of the cache that belongs to a URL or an archive."""
    name = source.rstrip("/").rpartition("/")[2]
    return cache / f"{hashlib.sha256(source.encode()).hexdigest()[:12]}-{name[:80]}"


def _local(source: str, root: Path, cache: Path, sha256: str | None, patience: Patience) -> Path:
    """The path of a local file or folder, or of a download."""
    if not _is_url(source):
        path = root / source
        if not path.exists():
            raise BmnError(f"{path}: no such file or folder; correct the path in params.yaml")
        return path
    path = _place(source, cache) / "file"
    if not path.exists():
        fetch(source, path, sha256, patience)
    return path


def _copied(path: Path, folder: Path, name: str, sha256: str | None) -> dict[str, str]:
    """Copy a text, or a folder of them, into the raw folder."""
    found = checksum(path)
    if sha256 is not None and found != sha256:
        raise BmnError(f"{path}: has the SHA-256 {found}, not {sha256}; it has changed, name it again with make use")
    try:
        if path.is_dir():
            shutil.copytree(path, folder / name)
            return {"file": name, "sha256": found}
        shutil.copyfile(path, folder / f"{name}.txt")
    except (OSError, shutil.Error) as error:
        raise BmnError(f"{path}: cannot be copied ({error})") from error
    return {"file": f"{name}.txt", "sha256": found}


def _features(source: str, root: Path, cache: Path, sha256: str | None, patience: Patience) -> dict[str, str | int]:
    """The folder of the feature files: the one named, or where the archive that was named is unpacked."""
    if not _is_url(source):
        path = (root / source).resolve()
        if not path.exists():
            raise BmnError(f"{path}: no such file or folder; correct data.features")
        found = checksum(path)
        if sha256 is not None and found != sha256:
            raise BmnError(
                f"{path}: has the checksum {found}, not {sha256}; it has changed, name it again with make use"
            )
        if path.is_dir():
            return {"from": source, "folder": str(path), "sha256": found, "files": len(find_features(path))}
        return _unpacked(source, path, _place(f"{found}/{path.name}", cache)) | {"sha256": found}
    place = _place(source, cache)
    done = place / "done.json"
    if done.exists():
        record: dict[str, str | int] = read_json(done)
        if sha256 in (None, record["sha256"]):
            return record
        raise BmnError(f"{source}: had the SHA-256 {record['sha256']}, not {sha256}; correct data.features_sha256")
    archive = place / "archive"
    found = checksum(archive) if archive.exists() else fetch(source, archive, sha256, patience).sha256
    try:
        record = _unpacked(source, archive, place) | {"sha256": found}
    except DamagedArchiveError:
        archive.unlink()  # the next start fetches it again
        raise
    write_json(done, record)
    archive.unlink()
    return record


def _unpacked(source: str, archive: Path, place: Path) -> dict[str, str | int]:
    folder = place / "features"
    if not folder.exists():
        unpack(archive, place / "part")
        (place / "part").rename(folder)
    return {"from": source, "folder": str(folder.resolve()), "files": len(find_features(folder))}
