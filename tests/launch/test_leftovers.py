"""Files of DVC that are cut short anywhere; DVC itself says what it can read."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.exceptions import DvcException
from dvc.repo import Repo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bmn.launch import leftovers

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "dvc.lock").read_text()
BETWEEN_LINES = [place for place in range(len(LOCK)) if LOCK[place - 1] == "\n"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    with Repo.init(str(tmp_path)):
        pass
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(leftovers, "WRITING", 0.01)
    return tmp_path


def dvc_reads_it() -> bool:
    try:
        with Repo() as repo:
            list(repo.index.stages)
    except DvcException:
        return False
    return True


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.integers(0, len(LOCK) - 1) | st.sampled_from(BETWEEN_LINES))
def test_a_lock_file_cut_anywhere_is_removed_unless_it_is_cut_between_lines_and_dvc_reads_it(project, length):
    Path("dvc.lock").write_text(LOCK[:length])
    readable = LOCK[:length].endswith("\n") and dvc_reads_it()
    leftovers.main()
    assert Path("dvc.lock").exists() == readable


@pytest.mark.parametrize("text", [LOCK, f"schema: '2.0'\nstages:\n<<<<<<< HEAD\n{LOCK}"])
def test_one_that_is_whole_or_holds_a_merge_to_be_resolved_stays(project, text):
    Path("dvc.lock").write_text(text)
    leftovers.main()
    assert Path("dvc.lock").read_text() == text


def test_one_that_is_only_being_written_stays(project, monkeypatch, capsys):
    monkeypatch.setattr(leftovers.time, "sleep", lambda seconds: Path("dvc.lock").write_text(LOCK))
    Path("dvc.lock").write_text("")
    leftovers.main()
    assert Path("dvc.lock").read_text() == LOCK
    assert capsys.readouterr().out == ""


def test_the_locks_of_running_stages_are_removed_if_they_are_cut_short(project):
    for text, stays in (("", False), ('{"a": {"wri', False), ("{}", True)):
        Path(".dvc/tmp/rwlock").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "bmn.launch.leftovers"], capture_output=True, text=True, check=True
        )
        assert Path(".dvc/tmp/rwlock").exists() == stays
        assert ("cut short" in done.stdout) != stays
