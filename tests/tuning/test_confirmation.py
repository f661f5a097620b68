"""What ``bmn tune status`` and ``bmn tune apply`` say, and how the best is confirmed before it is called so."""

import shutil
from pathlib import Path

import pytest
from optuna.trial import TrialState
from tuning.cheap import Silent, make_params, make_sweep, search_plan, starter

from bmn.base.errors import BmnError
from bmn.base.params import load_params
from bmn.tuning.confirmation import (
    PRESENT,
    Confirmed,
    as_json,
    better,
    candidates,
    confirmation_plan,
    confirmed,
    from_json,
    verdict,
)
from bmn.tuning.plan import Slot, fill
from bmn.tuning.status import apply, find_study, rows, status
from bmn.tuning.worker import work

PARAMS = Path(__file__).parents[2] / "params.yaml"
PRESENT_VALUES = {"train.learning_rate": 1e-3, "train.weight_decay": 0.0}


@pytest.fixture
def searched(tmp_path):
    """A search whose second and third trials are the best."""
    first = Slot(PRESENT_VALUES)
    others = {str(n): Slot({"train.learning_rate": rate, "train.weight_decay": 0.0})
              for n, rate in ((1, 1e-2), (2, 2e-2), (3, 1e-2), (4, 1e-4))}  # fmt: skip
    sweep = make_sweep(tmp_path / "tune", make_params(cost=True, trials=5), {"0": first} | others)
    fill(sweep.shared, sweep.plan)
    work(sweep, starter(), Silent())
    return sweep


@pytest.fixture
def file(tmp_path):
    return Path(shutil.copy(PARAMS, tmp_path))


def test_the_best_that_differ_are_confirmed_beside_the_present_parameters(searched):
    found = candidates(searched.shared, PRESENT_VALUES, top=2)
    assert list(found) == [PRESENT, "trial 1", "trial 2"]  # trial 3 is trial 1 once more
    assert found["trial 1"] == {"train.learning_rate": 1e-2, "train.weight_decay": 0.0, "proposals.alpha": 0.3}
    plan = confirmation_plan(found, searched.params)
    assert len(plan) == 9
    assert {slot.values["train.seed"] for slot in plan.values()} == {2, 3, 4}  # train.seed is 1
    assert plan["trial 2, seed 3"].values["train.learning_rate"] == 2e-2


def test_the_present_training_with_other_proposals_is_a_candidate_too(searched):
    """The first trial found proposals.alpha 0.3 for the present training."""
    for alpha, tried in ((0.4, True), (0.3, False)):
        found = candidates(searched.shared, PRESENT_VALUES | {"proposals.alpha": alpha}, top=5)
        assert ("trial 0" in found) == tried


def test_a_confirmation_gathers_the_trainings_of_each_candidate(tmp_path, searched):
    found = candidates(searched.shared, PRESENT_VALUES, top=1)
    plan = confirmation_plan(found, searched.params)
    again = make_sweep(tmp_path / "again", searched.params, plan)
    fill(again.shared, plan)
    work(again, starter(), Silent())
    results = confirmed(again.shared, found, plan)
    assert [(one.name, len(one.aucs)) for one in results] == [(PRESENT, 3), ("trial 1", 3)]
    assert results[1].aucs == [searched.shared.trials()[1].values[0]] * 3
    assert from_json(as_json(results)) == results


@pytest.mark.parametrize(
    ("aucs", "wins"),
    [([62.0, 62.5, 63.0], True), ([60.5, 61.0, 61.5], False), ([58.0, 62.5, 67.0], False), ([50.0, 50.1, 50.2], False)],
)
def test_better_is_better_by_more_than_twice_the_spread(aucs, wins):
    present = Confirmed(PRESENT, {}, [59.5, 60.0, 60.5])
    results = [present, Confirmed("trial 7", {"proposals.alpha": 0.5}, aucs)]
    assert (better(results) is not None) == wins
    words = verdict(results)
    assert ("best: trial 7" in words) == wins
    assert ("no candidate is better" in words) != wins
    assert f"{sum(aucs) / 3:.2f}" in words


def test_nothing_is_called_better_when_the_present_parameters_could_not_be_trained():
    assert better([Confirmed("trial 7", {}, [60.0, 60.1])]) is None


def test_the_table_tells_each_trial(searched):
    text = status(searched.shared.study)
    assert text.splitlines()[0] == "bmn: 5 complete"
    assert "    1  complete  74.00     all" in text
    assert "learning_rate=0.01 weight_decay=0" in text
    assert [row["AUC"] for row in rows(searched.shared.study)][1] == 74.0
    fill(searched.shared, search_plan(6))
    assert status(searched.shared.study).splitlines()[0] == "bmn: 5 complete, 1 waiting"


def test_the_confirmed_best_is_written_with_comments_kept_and_the_difference_shown(searched, file):
    values = {"train.learning_rate": 0.004, "model.num_sample": 16}
    results = [Confirmed(PRESENT, {}, [60.0, 60.1]), Confirmed("trial 7", values, [64.0, 64.1])]
    searched.shared.study.set_user_attr("confirmed", as_json(results))
    told = apply(searched.shared.study, None, file)
    added = [line for line in told.splitlines() if line.startswith("+  ")]
    assert [line.partition("#")[0].split() for line in added] == [
        ["+", "num_sample:", "16"], ["+", "learning_rate:", "0.004"],
    ]  # fmt: skip
    assert all("#" in line for line in added)
    written = load_params(file)
    assert (written.train.learning_rate, written.model.num_sample) == (0.004, 16)
    assert "stands so already" in apply(searched.shared.study, None, file)


def test_when_nothing_is_better_nothing_is_written(searched, file):
    before = file.read_text()
    results = [Confirmed(PRESENT, {}, [60.0, 61.0]), Confirmed("trial 7", {"model.num_sample": 16}, [60.5, 61.5])]
    searched.shared.study.set_user_attr("confirmed", as_json(results))
    assert "no candidate is better" in apply(searched.shared.study, None, file)
    assert file.read_text() == before


def test_one_trial_can_be_chosen(searched, file):
    assert "learning_rate: 0.02" in apply(searched.shared.study, 2, file)
    written = load_params(file)
    assert (written.train.learning_rate, written.proposals.alpha) == (0.02, 0.3)


def test_what_is_not_confirmed_or_not_there_is_refused(tmp_path, monkeypatch, searched, file):
    before = file.read_text()
    with pytest.raises(BmnError, match=r"'bmn' is not confirmed yet.*make tune-apply TRIAL="):
        apply(searched.shared.study, None, file)
    with pytest.raises(BmnError, match="TRIAL is 99; not a complete trial of 'bmn'"):
        apply(searched.shared.study, 99, file)
    assert file.read_text() == before
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BmnError, match=r"tune.study is 'bmn'; no such study: there is none yet"):
        find_study(make_params())


def test_a_failed_candidate_is_left_out(searched):
    found = candidates(searched.shared, PRESENT_VALUES, top=2)
    assert confirmed(searched.shared, found, {}) == []
    assert all(trial.state == TrialState.COMPLETE for trial in searched.shared.trials())
