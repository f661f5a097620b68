"""A sweep in a real PostgreSQL, where one is installed."""

import time

import pytest
from servers import postgres
from tuning.cheap import make_params, start
from tuning.sweeps import empty_store as empty_store
from tuning.sweeps import options, wait_for
from tuning.sweeps import project as project

from bmn.base.errors import BmnError
from bmn.tuning.study import only_driver, open_storage

pytestmark = pytest.mark.xdist_group("postgresql")


@pytest.fixture(scope="module")
def url():
    with postgres() as address:
        yield address


def test_a_killed_driver_loses_and_doubles_no_trial(project, url):
    options(project, seconds=0.05)
    params = make_params(jobs=2, trials=12, storage=url)
    process = start(project.path, params, project.data)
    wait_for(process, lambda: sum(trial.state.is_finished() for trial in project.trials(params)) >= 4)
    with pytest.raises(BmnError, match=r"tune.study is 'bmn'; another bmn tune is running it"):
        project.tune(params)
    process.kill()
    process.wait()
    project.tune(params)
    project.check(params)


def test_another_space_is_refused_there_too(project, url):
    project.tune(make_params(storage=url, study="mine", trials=1))
    with pytest.raises(BmnError, match="the study 'mine' was started with another"):
        project.tune(make_params(storage=url, study="mine", trials=1, cost=True))


def test_a_wrong_database_is_told(url):
    with pytest.raises(BmnError, match=r'cannot be opened \(.*"nothing" does not exist'):
        open_storage(url.replace("/postgres", "/nothing"))


def test_a_driver_stays_the_only_one_where_the_server_ends_idle_transactions(url, tmp_path):
    storage = open_storage(f"{url}{'&' if '?' in url else '?'}options=-c%20idle_in_transaction_session_timeout%3D200")
    with only_driver(storage, "mine", tmp_path / "here"):
        time.sleep(0.5)
        second = only_driver(storage, "mine", tmp_path / "elsewhere")
        with pytest.raises(BmnError, match="another bmn tune is running it"):
            second.__enter__()
