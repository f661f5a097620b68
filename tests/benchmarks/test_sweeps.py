"""The comparison of two sweeps."""

import pytest

from benchmarks.sweeps import differences


def rows(*trials):
    return [
        {"number": number, "values": {"x": x}, "state": state, "AUC": auc}
        for number, (x, state, auc) in enumerate(trials)
    ]


def test_trials_differ_by_parameters_or_by_auc_where_both_are_complete():
    one = rows((1, "complete", 60.0), (2, "complete", 61.0), (3, "pruned", 50.0), (4, "pruned", 50.0))
    other = rows((1, "complete", 60.0), (2, "complete", 61.1), (3, "complete", 63.0), (5, "pruned", 50.0))
    assert differences(one, one) == []
    assert differences(one, other) == [1, 3]


def test_a_sweep_that_lost_a_trial_is_not_compared():
    with pytest.raises(ValueError, match="shorter"):
        differences(rows((1, "complete", 60.0), (2, "complete", 61.0)), rows((1, "complete", 60.0)))
