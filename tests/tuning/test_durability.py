"""Workers and whole sweeps are killed while they work; no trial may be lost or doubled."""

import random
import signal
import threading
import time

import pytest
from optuna.trial import TrialState
from tuning.cheap import make_params, make_sweep, search_plan, start_process, worker_starter

from bmn.tuning.sweep import keep_working

pytestmark = pytest.mark.xdist_group("durability")


def check_that_all_ended_once(sweep, trials):
    """Each slot has one trial that ended with a value; all others of it lost their worker."""
    found = sweep.shared.trials()
    assert all(trial.state.is_finished() for trial in found)
    well = [trial for trial in found if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert sorted(int(trial.user_attrs["slot"]) for trial in well) == list(range(trials))
    assert all("lost" in trial.user_attrs for trial in found if trial not in well)
    assert [trial.number for trial in found] == list(range(len(found)))


def test_eight_workers_and_two_hundred_trials_none_lost_none_doubled(tmp_path):
    """Workers are killed while they work; the sweep starts others."""
    params = make_params()
    sweep = make_sweep(tmp_path, params, search_plan(200))
    start = worker_starter(tmp_path, params, 200)
    workers = []
    rng = random.Random(1)

    def start_and_remember(seat):
        workers.append(start(seat))
        return workers[-1]

    def kill_some():
        for _ in range(6):
            time.sleep(1.0)
            alive = [worker for worker in workers if worker.poll() is None]
            if alive:
                rng.choice(alive).kill()

    killer = threading.Thread(target=kill_some)
    killer.start()
    assert keep_working(sweep, 8, start_and_remember, lambda trial: None)
    killer.join()
    check_that_all_ended_once(sweep, 200)
    assert any(worker.returncode == -signal.SIGKILL for worker in workers)


def test_a_sweep_that_is_killed_again_and_again_ends_right(tmp_path):
    params = make_params()
    watched = make_sweep(tmp_path, params, search_plan(25))
    for ended_by_then in (5, 15):
        process = start_process(tmp_path, params, 25, workers=2, seconds=0.02)
        while sum(trial.state.is_finished() for trial in watched.shared.trials()) < ended_by_then:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.wait()
    assert start_process(tmp_path, params, 25, workers=2, seconds=0.02).wait() == 0
    check_that_all_ended_once(watched, 25)


def test_a_sweep_that_is_stopped_puts_its_trials_back(tmp_path):
    params = make_params()
    watched = make_sweep(tmp_path, params, search_plan(4))
    process = start_process(tmp_path, params, 4, workers=2, seconds=30)
    while sum("run" in trial.user_attrs for trial in watched.shared.trials()) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    assert process.wait() != 0
    assert [trial.user_attrs.get("lost") for trial in watched.shared.trials()[:2]] == ["stopped"] * 2


def test_after_a_power_cut_in_the_middle_of_a_line_it_goes_on(tmp_path):
    params = make_params()
    assert start_process(tmp_path, params, 3, workers=1).wait() == 0
    with open(tmp_path / "journal.log", "ab") as journal:
        journal.write(b'{"op_code":4,"worker_id":"x","trial_')
    assert start_process(tmp_path, params, 6, workers=1).wait() == 0
    check_that_all_ended_once(make_sweep(tmp_path, params, search_plan(6)), 6)
