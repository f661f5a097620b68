"""The page of a sweep."""

import re
import warnings

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from bmn.tuning.confirmation import Confirmation, Confirmed
from bmn.tuning.figures import page, pictures


def study(*keys, values=(60.0, 70.0), pruned=(50.0,)):
    made = optuna.create_study(study_name="<s>", direction="maximize")
    for number, auc in enumerate((*values, *pruned)):
        made.add_trial(
            create_trial(
                state=TrialState.COMPLETE if number < len(values) else TrialState.PRUNED,
                value=auc if number < len(values) else None,
                params=dict.fromkeys(keys, 0.5 + number / 100),
                distributions=dict.fromkeys(keys, FloatDistribution(0, 1)),
                intermediate_values={1: auc - 1, 2: auc},
            )
        )
    return made


def rows(html):
    """The cells of a page's table, row by row, without the places where names may be broken."""
    html = html.replace("\u200b", "")
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)]


def test_trials_stand_in_the_table_best_first_with_short_names():
    html = page(study("train.learning_rate", "model.num_sample"))
    assert rows(html) == [
        ["trial", "state", "AUC", "learning_rate", "num_sample"],
        ["1", "complete", "70.00", "0.51", "0.51"],
        ["0", "complete", "60.00", "0.5", "0.5"],
        ["2", "pruned", "50.00", "0.52", "0.52"],
    ]
    assert "2 complete, 1 pruned" in html
    assert "<s>" not in html.split("<body>")[1]


def test_what_was_confirmed_stands_above_the_trials():
    made = study("train.learning_rate")
    assert "confirmed" not in page(made)
    results = [Confirmed("current", {}, [60.0, 61.0]), Confirmed("trial 1", {}, [70.0, 70.5])]
    Confirmation(results, 8).write(made)
    html = page(made)
    assert (
        html.index("confirmed with fresh seeds")
        < html.index("trial 1: gain 9.8, needed 1.4")
        < html.index("<th>trial</th>")
    )


def test_a_short_name_that_two_parameters_share_is_not_used():
    html = page(study("train.seed", "data.synthetic.seed"))
    assert rows(html)[0][3:] == ["train.seed", "data.synthetic.seed"]


def test_figures_that_compare_trials_wait_for_enough_of_them():
    assert pictures(study("train.seed")).keys() == {"optimization_history", "intermediate_values"}
    enough = pictures(study("train.seed", "model.dscale", values=(60.0, 70.0, 65.0, 64.0)))
    assert enough.keys() >= {"slice", "parallel_coordinate", "param_importances"}


@pytest.mark.parametrize("values", [(), (60.0,), (60.0, 70.0, 65.0, 64.0)])
@pytest.mark.parametrize("pruned", [(), (50.0,)])
def test_drawing_says_nothing(values, pruned, caplog, capfd):
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # as the commands do
    made = study("train.seed", "model.dscale", values=values, pruned=pruned)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures(made)
        page(made)
    assert caplog.messages == []
    assert capfd.readouterr() == ("", "")
