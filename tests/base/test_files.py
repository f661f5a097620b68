import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from bmn.base.errors import BmnError
from bmn.base.files import atomic_file, atomic_folder, once, read_json, turn, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces_the_file(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for text in ("one", "two"):
        with atomic_file(path) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    path = tmp_path / "folder"
    with atomic_folder(path) as temporary:
        (temporary / "kept").touch()
    with pytest.raises(RuntimeError), atomic_folder(path) as temporary:
        (temporary / "half").touch()
        raise RuntimeError
    assert [file.name for file in path.iterdir()] == ["kept"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_folder_replaces_the_old_one(tmp_path):
    for name in ("one", "two"):
        with atomic_folder(tmp_path / "folder") as temporary:
            (temporary / name).touch()
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["two"]


@pytest.mark.parametrize("whole", [atomic_file, atomic_folder])
def test_a_place_that_cannot_be_written_is_named(tmp_path, whole):
    (tmp_path / "file").touch()
    with pytest.raises(BmnError, match=r"make the folder .* writable"), whole(tmp_path / "file" / "out"):
        pytest.fail("there is no place to write to")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100000])
def test_what_is_not_json_is_refused_in_a_sentence(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(BmnError, match=r"a\.json: "):
        read_json(path)


def test_json_comes_back_as_it_was_written(tmp_path):
    value = {"name": "zażółć", "values": [1, 2.5, None]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


def test_nan_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from bmn.base.files import atomic_file, atomic_folder
with {whole}(Path(sys.argv[1])) as temporary:
    {write}
    os.kill(os.getpid(), signal.SIGKILL)
"""
WRITES = {"atomic_file": "temporary.write_text('half')", "atomic_folder": "(temporary / 'half').touch()"}


@pytest.mark.parametrize("whole", [atomic_file, atomic_folder])
def test_what_a_killed_writer_left_the_next_one_removes(tmp_path, whole):
    code = KILLED.format(whole=whole.__name__, write=WRITES[whole.__name__])
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=False)
    left = list(tmp_path.iterdir())
    assert any(path.name.startswith(".a.txt.part") for path in left)
    with whole(tmp_path / "a.txt") as temporary:
        if whole is atomic_file:
            temporary.write_text("whole")
        else:
            assert list(temporary.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_is_in_a_folders_place_is_judged_when_it_is_the_writers_turn(tmp_path):
    """Before that another writer may be replacing it, and what is there for a moment says nothing."""
    path = tmp_path / "folder"

    def write() -> None:
        with atomic_folder(path) as temporary:
            (temporary / "second").touch()

    with ThreadPoolExecutor(1) as pool:
        with atomic_folder(path) as temporary:
            (temporary / "first").touch()
            path.touch()
            second = pool.submit(write)
            assert wait([second], timeout=0.5).not_done  # it waits
            path.unlink()
        second.result()
    assert [file.name for file in path.iterdir()] == ["second"]


def test_writers_of_one_path_wait_for_each_other(tmp_path):
    """Four processes count together in one file: none of them sees what another has half done."""
    path = tmp_path / "folder"
    code = """
import sys
from pathlib import Path
from bmn.base.files import atomic_folder
for _ in range(25):
    with atomic_folder(Path(sys.argv[1])) as temporary:
        before = sorted(path.name for path in Path(sys.argv[1]).glob("*"))
        for name in [*before, str(len(before))]:
            (temporary / name).touch()
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(4)]
    assert [writer.wait(timeout=900) for writer in writers] == [0] * 4
    assert len(list(path.iterdir())) == 100
    assert list(tmp_path.iterdir()) == [path]


def test_of_several_that_need_a_path_one_makes_it(tmp_path):
    path, made = tmp_path / "folder", []

    def make() -> None:
        with atomic_folder(path) as folder:
            made.append(folder)
            time.sleep(0.1)
            (folder / "file").touch()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(once, path, make) for _ in range(4)]:
            done.result()
    assert len(made) == 1
    assert [file.name for file in path.iterdir()] == ["file"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_could_not_be_made_is_made_by_the_next(tmp_path):
    with pytest.raises(ZeroDivisionError):
        once(tmp_path / "file", lambda: 1 / 0)
    assert list(tmp_path.iterdir()) == []
    once(tmp_path / "file", (tmp_path / "file").touch)
    assert (tmp_path / "file").exists()


def test_for_what_is_there_nobody_waits(tmp_path):
    """Nor writes: a complete cache may be one that can only be read."""
    (tmp_path / "file").touch()
    with turn(tmp_path / "file.once"), ThreadPoolExecutor(1) as pool:
        pool.submit(once, tmp_path / "file", lambda: 1 / 0).result(timeout=60)


def test_whoever_does_not_want_to_wait_is_refused(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        with turn(tmp_path / "path"):
            asked = pool.submit(turn(tmp_path / "path", "somebody is there").__enter__)
            with pytest.raises(BmnError, match=r"^somebody is there$"):
                asked.result()
        assert list(tmp_path.iterdir()) == []
