import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracles import evaluation as oracle

from bmn.metrics.tiou import tiou


@given(st.integers(0, 2**32))
def test_tiou_of_all_pairs(seed):
    """On a coarse grid: many segments touch, are the same or have no length."""
    rows, others = np.sort(np.random.default_rng(seed).integers(0, 6, (2, 5, 2)), axis=2).astype(float)
    found = tiou(rows[:, 0, None], rows[:, 1, None], others[:, 0], others[:, 1])
    assert found.tolist() == [[oracle.tiou(row, other) for other in others] for row in rows]
