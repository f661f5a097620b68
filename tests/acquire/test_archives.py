"""Archives, good and hostile."""

import gzip
import io
import stat
import tarfile
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.acquire import archives
from bmn.acquire.archives import unpack
from bmn.base.errors import BmnError

FILES = {"feat/v_a.npy": b"a" * 3000, "feat/v_b.npy": b"", "feat/deep/v_ü.npy": bytes(range(256)) * 9}


def member(name, kind=tarfile.REGTYPE, size=0, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def tar(path, members, mode="w", **options):
    with tarfile.open(path, mode, **options) as packed:
        for info, content in members:
            packed.addfile(info, io.BytesIO(content))
    return path


def pack(folder, kind, files=FILES):
    path = folder / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(name, content)
        return path
    directory = (member("feat", tarfile.DIRTYPE), b"")
    plain = [(member(name, size=len(content)), content) for name, content in files.items()]
    return tar(path, [directory, *plain], "w:gz" if kind == "tar.gz" else "w")


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


KINDS = ["tar", "tar.gz", "zip"]


@pytest.mark.parametrize("kind", KINDS)
def test_files_come_out_as_they_went_in(tmp_path, kind):
    assert unpack(pack(tmp_path, kind), tmp_path / "out") == 3
    assert contents(tmp_path / "out") == FILES


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_there_is_not_written_again(tmp_path, kind):
    archive = pack(tmp_path, kind)
    kept = tmp_path / "out" / "feat" / "v_a.npy"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"b" * 3000)
    (kept.parent / "v_ü.npy").write_bytes(b"of another size")
    unpack(archive, tmp_path / "out")
    assert kept.read_bytes() == b"b" * 3000
    assert contents(tmp_path / "out")["feat/deep/v_ü.npy"] == FILES["feat/deep/v_ü.npy"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\\x", "a\nb", ".."])
def test_names_that_lead_elsewhere_are_refused(tmp_path, kind, name):
    with pytest.raises(BmnError, match=r"absolute, contains \.\. or is not plain UTF-8"):
        unpack(pack(tmp_path, kind, {"v_a.npy": b"1", name: b"2"}), tmp_path / "deep" / "out")
    assert contents(tmp_path / "deep") == {"out/v_a.npy": b"1"}


def test_names_that_are_not_utf8_are_refused(tmp_path):
    members = [(member("v_\udce9.npy"), b"")]
    archive = tar(tmp_path / "a.tar", members, format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(BmnError, match="not plain UTF-8"):
        unpack(archive, tmp_path / "out")
    zipped = pack(tmp_path, "zip", {"v_ü.npy": b""})
    data = zipped.read_bytes()
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(header) + flags
        data = data[:at] + b"\0\0" + data[at + 2 :]  # no longer marked as UTF-8
    zipped.write_bytes(data)
    with pytest.raises(BmnError, match="which is not UTF-8; rename it"):
        unpack(zipped, tmp_path / "out2")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    archive = tar(tmp_path / "a.tar", [(member("v_a.npy", kind, linkname="/etc/passwd"), b"")])
    with pytest.raises(BmnError, match="is not a regular file"):
        unpack(archive, tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_links_in_a_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        info = zipfile.ZipInfo("v_a.npy")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(BmnError, match="is not a regular file"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_bombs_are_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(archives, "FREE_GROWTH", 1 << 16)
    archive = pack(tmp_path, kind, {"v_a.npy": bytes(8 << 20)})
    with pytest.raises(BmnError, match="looks like a decompression bomb"):
        unpack(archive, tmp_path / "out")
    assert contents(tmp_path / "out").get("v_a.npy") is None


def test_a_header_that_claims_to_be_endless_is_refused(tmp_path):
    long = member("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=4 << 20)
    with open(tmp_path / "a.tar", "wb") as file:
        file.write(long.tobuf() + b"x" * (4 << 20) + bytes(1024))
    with pytest.raises(BmnError, match=r"has a header of .* bytes"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_FILES", 2)
    with pytest.raises(BmnError, match="more than 2 files"):
        unpack(pack(tmp_path, "tar"), tmp_path / "out")


def test_a_file_that_appears_twice_is_refused(tmp_path):
    archive = tar(tmp_path / "a.tar", [(member("v_a.npy"), b""), (member("./v_a.npy"), b"")])
    with pytest.raises(BmnError, match=r"v_a\.npy twice"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.75, 0.98])
def test_a_truncated_archive_is_refused_and_what_was_whole_stays(tmp_path, kind, part):
    archive = pack(tmp_path, kind)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(part * len(data))] if kind != "tar" or part < 0.9 else data[:-10240])
    if kind == "tar" and part >= 0.9:  # cut where a member ends: only the end mark is missing
        end = max(at for at in range(0, len(data), 512) if data[at : at + 512].strip(b"\0")) + 512
        archive.write_bytes(data[:end])
    with pytest.raises(BmnError, match=r"truncated or damaged|not a tar"):
        unpack(archive, tmp_path / "out")
    found = {name: content for name, content in contents(tmp_path / "out").items() if not name.endswith(".part")}
    assert all(FILES[name] == content for name, content in found.items())


def test_a_damaged_archive_is_told_of_in_a_short_sentence(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x" * 8000, b"")
    data = bytearray(archive.read_bytes())
    data[40] ^= 1  # the name at the member is not that of the directory
    archive.write_bytes(data)
    with pytest.raises(BmnError, match="truncated or damaged") as error:
        unpack(archive, tmp_path / "out")
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"<html>", b"PK\x03\x04", b"\x1f\x8b", gzip.compress(b"x" * 2000, mtime=0)],
    ids=["nothing", "text", "page", "zip", "gzip", "gzip of text"],
)
def test_anything_but_an_archive_is_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BmnError, match=r"a: is (not a tar, tar\.gz or zip|truncated or damaged)"):
        unpack(tmp_path / "a", tmp_path / "out")


def test_a_missing_archive(tmp_path):
    with pytest.raises(BmnError, match="cannot be read"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_an_encrypted_zip_is_refused(tmp_path):
    archive = pack(tmp_path, "zip", {"v_a.npy": b"1"})
    data = bytearray(archive.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1
    archive.write_bytes(data)
    with pytest.raises(BmnError, match=r"cannot be unpacked .*encrypted"):
        unpack(archive, tmp_path / "out")


@given(st.sampled_from(KINDS), st.data())
def test_damage_anywhere_ends_in_files_or_a_sentence(tmp_path_factory, kind, data):
    folder = tmp_path_factory.mktemp("damage")
    archive = pack(folder, kind)
    content = bytearray(archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    archive.write_bytes(content)
    with suppress(BmnError):
        unpack(archive, folder / "deep" / "out")
    assert {path.name for path in folder.iterdir()} <= {archive.name, "deep"}


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_take_any_amount_of_memory_are_refused(tmp_path, compression):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", compression) as packed:
        packed.writestr("v_a.npy", b"1" * 1000)
    with pytest.raises(BmnError, match=r"cannot be unpacked .*neither stored nor deflated.*; pack it as tar\.gz"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
