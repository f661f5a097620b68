import time

import pytest
from optuna.trial import TrialState
from tuning.cheap import Silent, auc, make_params, make_sweep, search_plan, starter, worker_starter

from bmn.base.errors import BmnError
from bmn.base.params import Params
from bmn.tuning.plan import Slot, fill
from bmn.tuning.sweep import keep_working
from bmn.tuning.worker import first_errors, work


def done(tmp_path, plan, **tune):
    sweep = make_sweep(tmp_path, make_params(**tune), plan)
    fill(sweep.shared, plan)
    ledger = Silent()
    work(sweep, starter(), ledger)
    return sweep, ledger


def learning_rates(*values):
    return {str(n): Slot({"train.learning_rate": value, "train.weight_decay": 0.0}) for n, value in enumerate(values)}


def test_a_trial_ends_with_its_figures_and_what_the_inner_search_found(tmp_path):
    sweep, ledger = done(tmp_path, learning_rates(0.01))
    [trial] = sweep.shared.trials()
    assert trial.state == TrialState.COMPLETE
    assert trial.values == [74.0]
    assert trial.intermediate_values == {1: 71.0, 2: 72.0}
    assert trial.params == {"train.learning_rate": 0.01, "train.weight_decay": 0.0}
    assert trial.user_attrs["figures"]["AUC"] == 74.0
    assert trial.user_attrs["proposals"] == {"proposals.alpha": 0.3}
    assert [words[0] for words in ledger.told] == ["begin", "log", "log", "log", "end"]
    assert ledger.told[-1][1:3] == ("run 0", "COMPLETE")


def test_halving_lets_the_best_half_go_on(tmp_path):
    sweep, ledger = done(tmp_path, learning_rates(1e-2, 1e-5, 1e-4, 2e-2, 1e-3))
    states = [trial.state.name for trial in sweep.shared.trials()]
    assert states == ["COMPLETE", "PRUNED", "PRUNED", "PRUNED", "PRUNED"]  # 0.02 passes one rung, not the next
    assert max(sweep.shared.trials()[3].intermediate_values) == 2
    assert max(sweep.shared.trials()[1].intermediate_values) == 1
    ends = [words[2] for words in ledger.told if words[0] == "end"]
    assert ends == states


def test_with_two_objectives_no_trial_is_stopped_early(tmp_path):
    sweep, _ = done(tmp_path, learning_rates(1e-2, 1e-5, 1e-3), cost=True)
    assert [trial.state for trial in sweep.shared.trials()] == [TrialState.COMPLETE] * 3
    assert sorted(trial.number for trial in sweep.shared.study.best_trials) == [0, 1, 2]
    assert sweep.shared.trials()[0].values == [74.0, 1.0]


def test_the_sampler_draws_the_same_trials_in_a_sweep_that_was_interrupted(tmp_path):
    whole, _ = done(tmp_path / "whole", search_plan(14))
    for trials in (3, 11, 14):
        parts, _ = done(tmp_path / "parts", search_plan(trials))
    assert [trial.params for trial in parts.shared.trials()] == [trial.params for trial in whole.shared.trials()]
    assert len({trial.params["train.learning_rate"] for trial in whole.shared.trials()}) == 14


def test_given_values_are_trained_as_they_are_and_not_compared(tmp_path):
    plan = {str(rate): Slot({}, {"train.learning_rate": rate, "train.seed": 9}) for rate in (1e-2, 1e-5)}
    sweep, ledger = done(tmp_path, plan)
    assert [trial.state for trial in sweep.shared.trials()] == [TrialState.COMPLETE] * 2
    expected = make_params().model_copy(
        update={"train": make_params().train.model_copy(update={"learning_rate": 1e-5})}
    )
    assert sweep.shared.trials()[1].values == [pytest.approx(auc(expected, 4))]
    assert ledger.told[0][2] == {"train.learning_rate": 1e-2, "train.seed": 9}


def test_a_failing_trial_tells_why_and_the_sweep_goes_on(tmp_path):
    plan = {str(n): Slot({"train.weight_decay": value}) for n, value in enumerate((0.2, 0.8, 0.1, 0.9))}
    sweep = make_sweep(tmp_path, make_params(), plan)
    fill(sweep.shared, plan)

    def start(params: Params, searching, beat):
        return starter(fail=params.train.weight_decay > 0.5)(params, searching, beat)

    work(sweep, start, Silent())
    trials = sweep.shared.trials()
    failed = [trial for trial in trials if trial.params["train.weight_decay"] > 0.5]
    assert [trial.number for trial in failed] == [1, 3]
    assert all(trial.state == TrialState.FAIL and trial.user_attrs["error"] == "a bolt is loose" for trial in failed)
    assert all(trial.state != TrialState.FAIL for trial in trials if trial not in failed)


def test_when_every_trial_fails_the_sweep_stops_early_with_the_first_error(tmp_path):
    params = make_params()
    sweep = make_sweep(tmp_path, params, search_plan(50))
    with pytest.raises(BmnError, match="no trial succeeds; the first error: a bolt is loose"):
        keep_working(sweep, 1, worker_starter(tmp_path, params, 50, fail=True), lambda trial: None)
    assert sum(trial.state == TrialState.FAIL for trial in sweep.shared.trials()) == 3
    assert first_errors(sweep)


def test_when_it_is_mended_the_same_sweep_goes_on(tmp_path):
    failing = make_sweep(tmp_path, make_params(), search_plan(6))
    fill(failing.shared, failing.plan)
    work(failing, starter(fail=True), Silent())
    mended = make_sweep(tmp_path, make_params(), search_plan(6))
    work(mended, starter(), Silent())
    assert [trial.state.name for trial in mended.shared.trials()][:4] == ["FAIL"] * 3 + ["COMPLETE"]


def test_when_the_time_is_up_no_trial_begins(tmp_path):
    params = make_params()
    sweep = make_sweep(tmp_path, params, search_plan(1000), timeout=0.0)
    assert not keep_working(sweep, 1, worker_starter(tmp_path, params, 1000), lambda trial: None)
    assert {trial.state for trial in sweep.shared.trials()} == {TrialState.WAITING}
    assert time.time() > sweep.deadline


def test_a_worker_that_breaks_ends_the_sweep(tmp_path):
    params = make_params()
    sweep = make_sweep(tmp_path, params, search_plan(2))
    with pytest.raises(BmnError, match="worker 0 ended with an error"):
        keep_working(sweep, 1, worker_starter(tmp_path, params, 2, no_such_option=1), lambda trial: None)
