"""The comparison of two sweeps."""

import pytest

from benchmarks.sweeps import differences


def rows(*trials):
    names = ("number", "values", "state", "epochs", "AUC")
    return [dict(zip(names, (number, *trial), strict=True)) for number, trial in enumerate(trials)]


def test_trials_differ_by_parameters_or_by_auc_where_they_ended_alike():
    one = rows(({"x": 1}, "complete", None, 60.0), ({"x": 2}, "complete", None, 61.0), ({"x": 3}, "pruned", 1, 50.0))
    other = rows(({"x": 1}, "complete", None, 60.0), ({"x": 2}, "complete", None, 61.1), ({"x": 3}, "pruned", 1, 50.1))
    assert differences(one, one) == []
    assert differences(one, other) == [1, 2]
    assert differences(one[:1], rows(({"x": 4}, "complete", None, 60.0))) == [0]
    assert differences(one[2:], rows(({"x": 3}, "pruned", 2, 51.0))) == []  # how far it came depends on the others


def test_a_sweep_that_lost_a_trial_is_not_compared():
    one = rows(({"x": 1}, "complete", None, 60.0), ({"x": 2}, "complete", None, 61.0))
    with pytest.raises(ValueError, match="shorter"):
        differences(one, one[:1])
