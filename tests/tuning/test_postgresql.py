"""A sweep in a real PostgreSQL, where one is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from tuning.cheap import make_params, start
from tuning.sweeps import empty_store as empty_store
from tuning.sweeps import options, wait_for
from tuning.sweeps import project as project

from bmn.base.errors import BmnError
from bmn.tuning.study import open_storage

USUAL = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # Debian keeps it off the PATH
INITDB = USUAL[-1] if USUAL else Path(shutil.which("initdb") or "initdb")

pytestmark = [
    pytest.mark.xdist_group("postgresql"),
    pytest.mark.skipif(not INITDB.exists(), reason="needs a PostgreSQL server: put its initdb on the PATH"),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def url():
    """The address of a server of our own; it refuses to run as root, so root becomes somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="bmn-postgresql-"))
    become = []
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
        become = ["runuser", "-u", "nobody", "--"]
    port = free_port()

    def call(program, *words):
        command = [*become, str(INITDB.parent / program), *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    call("initdb", "--pgdata", "data", "--username", "bmn", "--auth", "trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
    # Its output must not be a pipe of ours: the server would hold it open.
    call("pg_ctl", "start", "--pgdata", "data", "--log", "log", "--options", options, "--wait", "--silent")
    yield f"postgresql+psycopg://bmn@127.0.0.1:{port}/postgres"
    call("pg_ctl", "stop", "--pgdata", "data", "--mode", "immediate")
    shutil.rmtree(folder)


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
