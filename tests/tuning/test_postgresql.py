"""A sweep in a real PostgreSQL, where one is installed."""

import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from servers import postgres
from shell import wait_for
from sqlalchemy import text
from tuning.cheap import make_params, start
from tuning.sweeps import empty_store as empty_store
from tuning.sweeps import options
from tuning.sweeps import project as project

from bmn.base.errors import BmnError
from bmn.tuning.study import only_driver, open_storage

pytestmark = pytest.mark.xdist_group("postgresql")
# The states of the connections that hold a lock.
HOLDERS = text(
    "SELECT state FROM pg_stat_activity JOIN pg_locks USING (pid) "
    "WHERE locktype = 'advisory' AND objid = (hashtext(:name)::bigint & 4294967295)::oid"
)


@pytest.fixture(scope="module")
def url():
    with postgres() as address:
        yield address


def test_a_killed_driver_loses_and_doubles_no_trial(project, url):
    options(project, most=4)
    params = make_params(jobs=2, trials=12, storage=url)
    process = start(project.path, params, project.data)
    wait_for(lambda: project.finished(params) == 4, process)
    with pytest.raises(BmnError, match=r"tune.study is 'bmn'; another bmn tune is running it"):
        project.tune(params)
    process.kill()
    process.wait()
    options(project)
    project.tune(params)
    project.check(params)


def test_another_space_is_refused_there_too(project, url):
    project.tune(make_params(storage=url, study="mine", trials=1))
    with pytest.raises(BmnError, match="the study 'mine' was started with another"):
        project.tune(make_params(storage=url, study="mine", trials=1, cost=True))


def test_a_wrong_database_is_told(url):
    with pytest.raises(BmnError, match=r'cannot be opened \(.*"nothing" does not exist'):
        open_storage(url.replace("/postgres", "/nothing"))


def test_a_database_that_goes_away_is_told(project):
    """Its driver ends with a sentence, and its run has ended, too."""
    options(project, most=2)
    with postgres() as url:
        params = make_params(trials=4, storage=url)
        process = start(project.path, params, project.data, stderr=subprocess.PIPE)
        wait_for(lambda: project.finished(params) == 2 and project.calls() == 3, process)
    options(project)
    told = process.communicate()[1]
    assert process.returncode == 1
    assert re.search(r"^error: params.yaml: tune.storage is .*; it no longer responds \(.*; .* resumes\n\Z", told, re.M)
    assert "Traceback" not in told
    [parent], _ = project.runs()
    assert parent.info.status == "FAILED"


def test_the_lock_of_a_driver_is_held_outside_of_transactions(url, tmp_path):
    """A server may end transactions that are idle, and with them what they hold."""
    storage = open_storage(url)
    with only_driver(storage, "alone", tmp_path / "here"):
        with storage.engine.connect() as connection:
            assert connection.execute(HOLDERS, {"name": "bmn alone"}).scalars().all() == ["idle"]
        with pytest.raises(BmnError, match="another bmn tune is running it"):
            only_driver(storage, "alone", tmp_path / "elsewhere").__enter__()


def test_a_driver_waits_for_the_lock_of_one_that_is_ending(url, tmp_path, monkeypatch):
    """A server notices late, on a busy machine, that the process of a connection has ended."""
    monkeypatch.setattr("bmn.tuning.study.PATIENCE", 300)
    storage = open_storage(url)
    with ExitStack() as first, ThreadPoolExecutor(1) as pool:
        first.enter_context(only_driver(storage, "handed on", tmp_path / "here"))
        second = only_driver(storage, "handed on", tmp_path / "elsewhere")
        entered = pool.submit(second.__enter__)
        time.sleep(0.5)
        assert not entered.done()
        first.close()
        entered.result()
        second.__exit__(None, None, None)
