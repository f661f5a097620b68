"""A sweep in a real PostgreSQL, where one is installed."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from tuning.cheap import make_params, make_sweep, search_plan, worker_starter
from tuning.test_durability import check_that_all_ended_once

from bmn.base.errors import BmnError
from bmn.tuning.study import open_storage
from bmn.tuning.sweep import keep_working

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


def test_several_workers_and_a_killed_one_lose_and_double_no_trial(tmp_path, url):
    params = make_params(storage=url)
    sweep = make_sweep(tmp_path, params, search_plan(20))
    start = worker_starter(tmp_path, params, 20, seconds=0.1)
    workers = []

    def start_and_remember(seat):
        workers.append(start(seat))
        return workers[-1]

    def kill_one():
        while not any("run" in trial.user_attrs for trial in watched.shared.trials()):
            time.sleep(0.05)
        workers[0].kill()

    watched = make_sweep(tmp_path, params, sweep.plan)
    killer = threading.Thread(target=kill_one)
    killer.start()
    assert keep_working(sweep, 3, start_and_remember, lambda trial: None)
    killer.join()
    assert workers[0].returncode == -signal.SIGKILL
    check_that_all_ended_once(sweep, 20)


def test_another_space_is_refused_there_too(tmp_path, url):
    make_sweep(tmp_path, make_params(storage=url, study="mine"), {})
    with pytest.raises(BmnError, match="the study 'mine' was begun with another"):
        make_sweep(tmp_path, make_params(storage=url, study="mine", cost=True), {})


def test_a_wrong_database_is_told(url):
    with pytest.raises(BmnError, match=r'cannot be opened \(.*"nothing" does not exist'):
        open_storage(url.replace("/postgres", "/nothing"))
