"""Starting and supervising the processes of a training; :mod:`pipeline.test_train_stage` kills and stops real ones."""

import pytest

from bmn.base.errors import BmnError
from bmn.launch.launcher import supervise


def test_a_script_that_succeeds_ends_nothing_but_itself(tmp_path):
    done = tmp_path / "done"
    (tmp_path / "script.py").write_text(f"open({str(done)!r}, 'w').close()")
    supervise(tmp_path / "script.py", "cpu", tmp_path / "logs")  # SystemExit here would count as a failure
    assert done.exists()


def test_the_code_of_a_script_that_fails_is_passed_on(tmp_path):
    (tmp_path / "script.py").write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit) as end:
        supervise(tmp_path / "script.py", "cpu", tmp_path / "logs")
    assert end.value.code == 3


def test_a_script_that_is_killed_is_told(tmp_path):
    (tmp_path / "script.py").write_text("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(BmnError, match="the training was killed by SIGKILL"):
        supervise(tmp_path / "script.py", "cpu", tmp_path / "logs")
