"""Archives of unknown origin, unpacked safely: regular files under plain names, within bounds, or not at all."""

import gzip
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tqdm import tqdm

from bmn.base.errors import BmnError

CHUNK = 1 << 20
MOST_FILES = 1_000_000
MOST_GROWTH = 100  # unpacked bytes per byte of the archive; real features stay below ten
DAMAGE = (  # what the readers raise on nonsense
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error),
    *(EOFError, ValueError, IndexError),
)
FREE_GROWTH = 64 << 20  # unpacked bytes that are always allowed
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can demand any amount of memory


def most_unpacked(size: int) -> int:
    """How many bytes a compressed file of ``size`` bytes may grow to."""
    return FREE_GROWTH + MOST_GROWTH * size


class DamagedArchiveError(BmnError):
    """An archive that ends too early or whose checksums do not agree."""


class _Member(NamedTuple):
    """A file in an archive: its path, its size according to the archive, and its content."""

    name: PurePosixPath
    size: int
    content: IO[bytes]


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a tar, tar.gz or zip archive, recognized by its content.

    Files appear under their names once complete; those left by an earlier, interrupted call are not written
    again.

    Args:
        folder: is created; may hold what an earlier call on the same archive left.

    Returns:
        The number of files.

    Raises:
        BmnError: the archive is damaged or of another kind; it holds a link, a device, a name that is absolute,
            contains .., appears twice or is not UTF-8, too many files, or far more than its size suggests; or the
            disk is too small. What was unpacked so far stays in ``folder``.
    """
    size = _size(archive)
    allowed = most_unpacked(size)
    seen: set[PurePosixPath] = set()
    written = 0
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            free = shutil.disk_usage(folder).free
            if free < size:  # it will need more, but a tar.gz does not say how much
                raise BmnError(
                    f"{archive}: {folder} has {free / 1e9:.1f} GB left, too little to unpack it; make room there"
                )
        for member in tqdm(_members(archive, allowed), desc=f"unpacking {archive.name}", unit="file", disable=None):
            if member.name in seen:
                raise BmnError(f"{archive}: contains {member.name!s:.200} twice; pack it again")
            seen.add(member.name)
            if len(seen) > MOST_FILES:
                raise BmnError(f"{archive}: contains more than {MOST_FILES} files; it cannot be a set of features")
            target = folder / member.name
            if target.is_file() and target.stat().st_size == member.size:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name[:200]}.part")
            with open(part, "wb") as file:
                shutil.copyfileobj(member.content, file, CHUNK)
                written += file.tell()
            if written > allowed:
                part.unlink()
                raise BmnError(f"{archive}: unpacks to more than {allowed} bytes; it looks like a decompression bomb")
            part.replace(target)
    except DAMAGE as error:
        raise DamagedArchiveError(f"{archive}: is truncated or damaged ({error!s:.200}); fetch it again") from error
    except (NotImplementedError, RuntimeError) as error:  # of zipfile: other compressions, encryption
        raise BmnError(f"{archive}: cannot be unpacked ({error!s:.200}); pack it as tar.gz") from error
    except OSError as error:
        raise BmnError(f"{folder}: cannot be written ({error.strerror}); what was unpacked is kept") from error
    return len(seen)


def _size(archive: Path) -> int:
    try:
        return archive.stat().st_size
    except OSError as error:
        raise BmnError(f"{archive}: cannot be read ({error.strerror})") from error


def _members(archive: Path, allowed: int) -> Iterator[_Member]:
    with open(archive, "rb") as file:
        beginning = file.read(512)
        file.seek(0)
        if beginning.startswith(b"PK\x03\x04"):
            yield from _zip_members(archive)
        elif beginning.startswith(b"\x1f\x8b"):
            with gzip.open(file) as unzipped:
                yield from _tar_members(archive, unzipped, allowed)
        elif beginning[257:262] == b"ustar":
            yield from _tar_members(archive, file, allowed)
        else:
            raise BmnError(f"{archive}: is not a tar, tar.gz or zip archive; check what was downloaded")


def _tar_members(archive: Path, file: IO[bytes] | gzip.GzipFile, allowed: int) -> Iterator[_Member]:
    guarded = _Guarded(archive, file, allowed)
    with tarfile.open(fileobj=guarded, mode="r:", encoding="utf-8") as tar:  # type: ignore[call-overload]
        for info in tar:
            tar.members = []  # tarfile keeps them all otherwise
            if info.isreg() and not info.issparse():
                content = tar.extractfile(info)
                assert content is not None, "a regular file has content"
                yield _Member(_plain_name(archive, info.name), info.size, content)
            elif not info.isdir():
                raise BmnError(f"{archive}: {info.name!a:.200} is not a regular file; pack regular files only")
    if guarded.last.strip(b"\0") or len(guarded.last) != tarfile.BLOCKSIZE:
        raise EOFError("it ends without an end mark")
    while guarded.read(CHUNK):  # to the checksum at the end of a gzip file
        pass


class _Guarded:
    """A stream for tarfile that only moves forward and limits what it reads, in total and at once.

    Args:
        allowed: bytes that may be read in total.
    """

    def __init__(self, archive: Path, file: IO[bytes] | gzip.GzipFile, allowed: int) -> None:
        self.archive, self.file, self.allowed = archive, file, allowed
        self.position = 0
        self.last = b""

    def read(self, size: int) -> bytes:
        """Read; tarfile asks for a lot at once only if a header claims to be long."""
        if size > CHUNK:
            raise BmnError(f"{self.archive}: has a header of {size} bytes; it looks like a decompression bomb")
        data = self.file.read(size)
        self.position += len(data)
        if self.position > self.allowed:
            raise BmnError(
                f"{self.archive}: unpacks to more than {self.allowed} bytes; it looks like a decompression bomb"
            )
        self.last = data
        return data

    def seek(self, position: int) -> None:
        """Skip forward by reading, as a compressed stream must anyway."""
        while self.position < position and self.read(min(CHUNK, position - self.position)):
            pass

    def tell(self) -> int:
        """The position."""
        return self.position


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            if info.orig_filename.endswith("/"):
                continue
            if not info.orig_filename.isascii() and not info.flag_bits & 0x800:
                raise BmnError(
                    f"{archive}: contains the name {info.orig_filename!a:.200}, which is not UTF-8; rename it"
                )
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                raise BmnError(f"{archive}: {info.orig_filename!a:.200} is not a regular file; pack regular files only")
            if info.compress_type not in COMPRESSIONS:
                raise NotImplementedError(f"{info.orig_filename!a:.200} is neither stored nor deflated")
            name = _plain_name(archive, info.orig_filename)
            with packed.open(info) as content:
                yield _Member(name, info.file_size, content)


def _plain_name(archive: Path, name: str) -> PurePosixPath:
    """The name as a path below the folder that is unpacked into."""
    path = PurePosixPath(name)
    odd = any(unicodedata.category(character) in {"Cc", "Cs"} for character in name) or "\\" in name
    if odd or not path.parts or path.is_absolute() or ".." in path.parts:
        raise BmnError(
            f"{archive}: contains the name {name!a:.200}, which is absolute, contains .. or is not plain UTF-8; "
            "pack it again"
        )
    return path
