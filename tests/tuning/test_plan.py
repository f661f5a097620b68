import multiprocessing
import time
from collections import Counter

import pytest
from optuna.trial import TrialState
from tuning.cheap import Silent, make_params, make_sweep, search_plan, starter

from bmn.tuning.plan import Slot, claim, counted, fill, give_up, mark_lost, unfinished
from bmn.tuning.worker import work


def states(sweep):
    return Counter(trial.state.name for trial in sweep.shared.trials())


def test_every_slot_gets_one_trial_however_often_it_is_planned(tmp_path):
    sweep = make_sweep(tmp_path, make_params(), search_plan(5))
    for _ in range(3):
        fill(sweep.shared, sweep.plan)
    assert states(sweep) == {"WAITING": 5}
    fill(sweep.shared, search_plan(7))  # TRIALS is a total
    assert states(sweep) == {"WAITING": 7}


def test_two_hosts_that_plan_at_once_still_run_each_slot_once(tmp_path):
    one, other = (make_sweep(tmp_path, make_params(), search_plan(4)) for _ in range(2))
    fill(one.shared, one.plan)
    for slot in other.plan:  # the other host looked before the first one wrote
        other.shared.study.enqueue_trial({}, user_attrs={"slot": slot})
    work(one, starter(), Silent())
    work(other, starter(), Silent())
    assert unfinished(one.shared, one.plan) == 0
    ended = [trial for trial in one.shared.trials() if trial.state.is_finished()]
    assert sorted(trial.user_attrs["slot"] for trial in ended) == ["0", "1", "2", "3"]
    assert [trial.state for trial in one.shared.trials()[4:]] == [TrialState.WAITING] * 4


def test_a_trial_is_claimed_by_one_worker_only(tmp_path):
    sweep = make_sweep(tmp_path, make_params(), search_plan(1))
    fill(sweep.shared, sweep.plan)
    assert claim(sweep.shared, sweep.plan).number == 0
    assert claim(sweep.shared, sweep.plan) is None


def claimed_by_a_process_that_died(sweep):
    """Claim a trial in another process, which ends at once."""
    process = multiprocessing.get_context("fork").Process(target=claim, args=(sweep.shared, sweep.plan))
    process.start()
    process.join()


def test_a_dead_workers_trial_is_tried_again_once_with_the_same_parameters(tmp_path):
    sweep = make_sweep(tmp_path, make_params(), {"0": Slot({"train.learning_rate": 0.01})})
    fill(sweep.shared, sweep.plan)
    for attempt in (1, 2):
        claimed_by_a_process_that_died(sweep)
        assert len(mark_lost(sweep.shared)) == 1
        fill(sweep.shared, sweep.plan)
        assert states(sweep) == ({"FAIL": 1, "WAITING": 1} if attempt == 1 else {"FAIL": 2})
    retry = sweep.shared.trials()[1]
    assert retry.system_attrs["fixed_params"] == {"train.learning_rate": 0.01}
    assert retry.user_attrs["retry of"] == 0
    assert unfinished(sweep.shared, sweep.plan) == 0


def test_a_trial_that_was_killed_with_its_whole_sweep_is_always_tried_again(tmp_path):
    sweep = make_sweep(tmp_path, make_params(), search_plan(1))
    for _ in range(3):
        fill(sweep.shared, sweep.plan)
        trial = claim(sweep.shared, sweep.plan)
        trial.set_user_attr("worker", trial.user_attrs["worker"] | {"born": 0.0, "sweep": [1, 0.0]})
        assert len(mark_lost(sweep.shared)) == 1
    fill(sweep.shared, sweep.plan)
    assert states(sweep) == {"FAIL": 3, "WAITING": 1}


def test_a_stopped_trial_goes_back_as_often_as_it_is_stopped(tmp_path):
    sweep = make_sweep(tmp_path, make_params(), search_plan(1))
    for _ in range(4):
        fill(sweep.shared, sweep.plan)
        trial = claim(sweep.shared, sweep.plan)
        give_up(sweep.shared, sweep.shared.trials()[trial.number], "stopped")
    fill(sweep.shared, sweep.plan)
    assert states(sweep) == {"FAIL": 4, "WAITING": 1}


def test_a_living_workers_trial_is_left_alone(tmp_path):
    sweep = make_sweep(tmp_path, make_params(), search_plan(1))
    fill(sweep.shared, sweep.plan)
    claim(sweep.shared, sweep.plan)
    assert mark_lost(sweep.shared) == []


@pytest.mark.parametrize(("silence", "lost"), [(60, 0), (600, 1)])
def test_on_another_host_a_worker_counts_as_dead_when_it_is_silent_for_long(tmp_path, silence, lost):
    sweep = make_sweep(tmp_path, make_params(), search_plan(1))
    fill(sweep.shared, sweep.plan)
    trial = claim(sweep.shared, sweep.plan)
    trial.set_user_attr("worker", {"host": "another", "pid": 1, "born": 0.0})
    trial.set_user_attr("alive", time.time() - silence)
    assert len(mark_lost(sweep.shared)) == lost


def test_a_worker_that_was_given_up_leaves_the_trial_to_its_successor(tmp_path, capsys):
    sweep = make_sweep(tmp_path, make_params(), search_plan(1))
    fill(sweep.shared, sweep.plan)

    def start(params, searching, beat):
        give_up(sweep.shared, sweep.shared.trials()[0], "died")
        return starter()(params, searching, beat)

    work(sweep, start, Silent())
    assert states(sweep) == {"FAIL": 1}
    assert "trial 0 was given up" in capsys.readouterr().out
    fill(sweep.shared, sweep.plan)
    work(sweep, starter(), Silent())
    assert counted(sweep.shared.trials())["0"].state == TrialState.COMPLETE
