import hashlib
import os
import sqlite3
import time

import pytest

from bmn.base import checksums
from bmn.base.checksums import Checksums, sha256
from bmn.base.errors import BmnError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own/deep").mkdir(parents=True)
    for name in ("a.npy", "b.npy", "deep/c.npy"):
        (tmp_path / "own" / name).write_bytes(name.encode())
    return tmp_path / "own"


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def of_folder(folder):
    with Checksums(folder.parent / "checksums.db") as known:
        return known.of_folder(folder, files(folder))


def settle(monkeypatch):
    """As if all changes lay long back."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 10)


def test_a_file_has_the_checksum_of_its_content(folder):
    assert sha256(folder / "a.npy") == hashlib.sha256(b"a.npy").hexdigest()
    with pytest.raises(BmnError, match=r"gone\.npy: cannot be read"):
        sha256(folder / "gone.npy")


def test_nothing_is_read_again_that_has_not_changed(folder, monkeypatch):
    settle(monkeypatch)
    before = of_folder(folder)
    monkeypatch.setattr(checksums, "sha256", lambda path: pytest.fail(f"{path} is read again"))
    assert of_folder(folder) == before


def test_a_file_that_was_written_a_moment_ago_is_read_again(folder, monkeypatch):
    """Within the grain of a file system's times a second change leaves no trace."""
    newest = max(path.stat().st_ctime for path in files(folder))
    monkeypatch.setattr(time, "time", lambda: newest + 1)
    of_folder(folder)
    read = []
    monkeypatch.setattr(checksums, "sha256", lambda path: read.append(path) or sha256(path))
    of_folder(folder)
    assert len(read) == 3


@pytest.mark.parametrize("name", ["a.npy", "deep/c.npy"])
def test_content_counts_even_where_size_and_time_are_kept(folder, monkeypatch, name):
    settle(monkeypatch)
    before = of_folder(folder)
    about = (folder / name).stat()
    (folder / name).write_bytes(name.encode()[::-1])
    os.utime(folder / name, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert (folder / name).stat().st_mtime_ns == about.st_mtime_ns
    assert of_folder(folder) != before


def test_neither_place_nor_time_counts(folder, monkeypatch):
    settle(monkeypatch)
    before = of_folder(folder)
    for path in files(folder):
        os.utime(path, ns=(0, 7))
    assert of_folder(folder) == before
    assert of_folder(folder.rename(folder.with_name("moved"))) == before


def test_names_count(folder):
    before = of_folder(folder)
    (folder / "a.npy").rename(folder / "z.npy")
    assert of_folder(folder) != before


def test_what_was_read_before_a_kill_is_kept(folder, monkeypatch):
    settle(monkeypatch)
    monkeypatch.setattr(checksums, "WRITTEN", 0.0)
    known = Checksums(folder.parent / "checksums.db")
    known.of_file(folder / "a.npy")
    with Checksums(folder.parent / "checksums.db") as another:
        monkeypatch.setattr(checksums, "sha256", lambda path: pytest.fail(f"{path} is read again"))
        assert another.of_file(folder / "a.npy") == hashlib.sha256(b"a.npy").hexdigest()


def test_while_files_are_read_another_process_can_write(folder, monkeypatch):
    settle(monkeypatch)
    with Checksums(folder.parent / "checksums.db") as known:
        known.of_file(folder / "a.npy")
        with sqlite3.connect(folder.parent / "checksums.db", timeout=0) as other:
            other.execute("INSERT INTO files VALUES ('elsewhere', '', '')")
