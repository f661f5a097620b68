"""What is written of a prediction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.predict.outputs import rounded

SECONDS = st.floats(0, 1e5)


@pytest.mark.parametrize(("duration", "segment"), [(10.0, [0.41, 4.123]), (1.0, [0.41, 4.123457])])
def test_no_digits_that_mean_nothing(duration, segment):
    given = [{"label": "jump", "score": 0.41000000000000003, "segment": [0.41000000000000003, 4.1234567]}]
    assert rounded(given, duration) == [{"label": "jump", "score": 0.41, "segment": segment}]
    assert given[0]["segment"][1] == 4.1234567


@given(st.lists(st.tuples(st.floats(0, 1), SECONDS, SECONDS)))
def test_no_proposal_moves_by_more_than_half_of_a_thousandth(rows):
    proposals = [{"score": score, "segment": [start, end]} for score, start, end in rows]
    for one, other in zip(proposals, rounded(proposals, 2.0), strict=True):
        assert other["score"] == pytest.approx(one["score"], abs=5.01e-7)
        assert other["segment"] == pytest.approx(one["segment"], abs=5.01e-4)
