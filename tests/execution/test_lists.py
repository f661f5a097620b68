"""A list of work, in this process and in jobs."""

import os

import pytest

from bmn.base.errors import BmnError
from bmn.base.schema import ExecutionParams
from bmn.execution.lists import Task, run_list

pytestmark = pytest.mark.xdist_group("execution")


def told(items, arguments, jobs=None, chunk=3):
    found = []
    task = Task("execution.work:square", arguments, chunk)
    run_list(ExecutionParams(jobs=jobs, devices="cpu"), task, items, found.append)
    return found


def test_it_is_the_same_here_and_in_jobs(paths, tmp_path, capsys):
    """A chunk whose process dies is done again; what it told before is told twice."""
    here = told(list(range(7)), {"plus": 1, "once": str(tmp_path / "here")})
    assert here == [{"item": item, "square": item * item + 1, "process": os.getpid()} for item in range(7)]
    (tmp_path / "there").touch()
    there = told(list(range(7)), {"plus": 1, "once": str(tmp_path / "there")}, jobs=2)
    assert {one["item"]: one["square"] for one in there} == {one["item"]: one["square"] for one in here}
    assert len({one["process"] for one in there}) == 4  # of three chunks, one of them twice
    assert "its process was killed by SIGKILL (perhaps out of memory); retrying" in capsys.readouterr().out


@pytest.mark.parametrize("jobs", [None, 2])
def test_an_error_ends_it(paths, jobs):
    with pytest.raises(BmnError, match=r"^4: is odd to us$"):
        told([1, 4], {"plus": 0, "refused": 4}, jobs)


def test_an_empty_list_needs_no_engine():
    nowhere = ExecutionParams(engine="ray", address="127.0.0.1:1")
    run_list(nowhere, Task("no.such:thing", {}, 1), [], print)
