"""How the best trials are confirmed, and what ``bmn tune status`` and ``bmn tune apply`` say."""

import shutil
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from tuning.cheap import make_params

from bmn.base.errors import BmnError
from bmn.base.params import load_params
from bmn.tuning.confirmation import CURRENT, Confirmation, Confirmed, apply, candidates, confirmed, fresh_seeds
from bmn.tuning.study import find_study, rows, status

PARAMS = Path(__file__).parents[2] / "params.yaml"
NOW = {"train.learning_rate": 1e-3, "train.weight_decay": 0.0}


@pytest.fixture
def searched():
    """A study whose second and third trials are the best."""
    made = optuna.create_study(study_name="bmn", direction="maximize")
    for rate, auc in ((1e-3, 71.0), (1e-2, 74.0), (2e-2, 73.7), (1e-2, 74.0), (1e-4, 62.0)):
        made.add_trial(
            create_trial(
                value=auc,
                params={"train.learning_rate": rate, "train.weight_decay": 0.0},
                distributions={
                    "train.learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
                    "train.weight_decay": FloatDistribution(0, 1),
                },
                user_attrs={"proposals": {"proposals.alpha": 0.3}},
            )
        )
    return made


@pytest.fixture
def file(tmp_path):
    return Path(shutil.copy(PARAMS, tmp_path))


def confirm(study, *results, videos=8):
    Confirmation([Confirmed(*one) for one in results], videos).write(study)


def test_the_best_trials_that_differ_are_candidates(searched):
    found = candidates(searched.trials, NOW, top=2)
    assert list(found) == [CURRENT, "trial 1", "trial 2"]  # trial 3 is trial 1 once more
    assert found["trial 1"] == {"train.learning_rate": 1e-2, "train.weight_decay": 0.0, "proposals.alpha": 0.3}
    assert list(fresh_seeds(seed=1, count=3)) == [2, 3, 4]


def test_the_current_training_with_other_proposals_is_a_candidate_too(searched):
    """The first trial found proposals.alpha 0.3 for the current training."""
    for alpha, tried in ((0.4, True), (0.3, False)):
        assert ("trial 0" in candidates(searched.trials, NOW | {"proposals.alpha": alpha}, top=5)) == tried


def test_a_candidate_needs_two_trainings(searched):
    found = candidates(searched.trials, NOW, top=1)
    aucs = {"current, seed 2": 70.0, "current, seed 4": 71.0, "trial 1, seed 3": 74.0}
    assert confirmed(found, [2, 3, 4], aucs, 8).candidates == [Confirmed(CURRENT, NOW, [70.0, 71.0])]


@pytest.mark.parametrize(
    ("aucs", "words"),
    [
        (
            [62.0, 62.5, 63.0],
            "trial 7: gain 2.5, needed 1.0 (2 x the standard deviation): significant",
        ),
        ([60.5, 61.0, 61.5], "trial 7: gain 1.0, needed 1.0 (2 x the standard deviation): not significant"),
        ([58.0, 62.5, 67.0], "trial 7: gain 2.5, needed 9.0 (2 x the standard deviation): not significant"),
        ([50.0, 50.1, 50.2], "no candidate is better than the current parameters"),
    ],
)
def test_the_verdict_shows_its_sums(aucs, words):
    found = Confirmation([Confirmed(CURRENT, {}, [59.5, 60.0, 60.5]), Confirmed("trial 7", {}, aucs)], 1000)
    assert (found.better is not None) == (": significant" in words)
    assert found.verdict().splitlines()[-1].startswith(words)
    assert f"{sum(aucs) / 3:.2f}" in found.verdict()
    assert "few" not in found.verdict()


def test_the_verdict_says_where_videos_are_few():
    found = Confirmation([Confirmed(CURRENT, {}, [18.0, 40.0]), Confirmed("trial 7", {}, [55.0, 59.0])], 8)
    assert found.verdict().endswith("not significant; 8 validation videos are few")


def test_nothing_is_better_when_the_current_parameters_could_not_be_trained():
    found = Confirmation([Confirmed("trial 7", {}, [60.0, 60.1])], 8)
    assert found.better is None
    assert found.verdict().endswith("the current parameters could not be trained")


def test_the_status_lists_the_trials(searched):
    text = status(searched)
    assert text.splitlines()[0] == "bmn: 5 complete"
    assert "    1  complete  74.00     all" in text
    assert "learning_rate=0.01 weight_decay=0" in text
    assert [row["AUC"] for row in rows(searched)][1] == 74.0
    searched.enqueue_trial(NOW)
    assert status(searched).splitlines()[0] == "bmn: 5 complete, 1 waiting"
    assert len(rows(searched)) == 5
    failed = create_trial(state=TrialState.FAIL, user_attrs={"error": "a bolt is loose"})
    searched.add_trial(failed)
    assert status(searched).splitlines()[-1].endswith("a bolt is loose")


def test_the_confirmed_best_is_written_with_comments_kept_and_the_difference_shown(searched, file):
    values = {"train.learning_rate": 0.004, "model.num_sample": 16}
    confirm(searched, (CURRENT, {}, [60.0, 60.1]), ("trial 7", values, [64.0, 64.1]))
    printed = apply(searched, None, file)
    added = [line for line in printed.splitlines() if line.startswith("+  ")]
    assert [line.partition("#")[0].split() for line in added] == [
        ["+", "num_sample:", "16"], ["+", "learning_rate:", "0.004"],
    ]  # fmt: skip
    assert all("#" in line for line in added)
    written = load_params(file)
    assert (written.train.learning_rate, written.model.num_sample) == (0.004, 16)
    assert apply(searched, None, file).endswith("params.yaml is already up to date")


def test_when_nothing_is_better_nothing_is_written(searched, file):
    before = file.read_text()
    confirm(searched, (CURRENT, {}, [60.0, 61.0]), ("trial 7", {"model.num_sample": 16}, [60.5, 61.5]))
    printed = apply(searched, None, file)
    assert "gain 0.5, needed 1.4" in printed
    assert printed.endswith("params.yaml is unchanged")
    assert file.read_text() == before


def test_one_trial_can_be_chosen(searched, file):
    assert "learning_rate: 0.02" in apply(searched, 2, file)
    written = load_params(file)
    assert (written.train.learning_rate, written.proposals.alpha) == (0.02, 0.3)


def test_what_is_not_confirmed_or_does_not_exist_is_refused(tmp_path, monkeypatch, searched, file):
    before = file.read_text()
    with pytest.raises(BmnError, match=r"'bmn' is not confirmed yet.*make tune-apply TRIAL="):
        apply(searched, None, file)
    with pytest.raises(BmnError, match="TRIAL is 99; not a complete trial of 'bmn'"):
        apply(searched, 99, file)
    assert file.read_text() == before
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BmnError, match=r"tune.study is 'bmn'; no such study: there is none yet"):
        find_study(make_params())
