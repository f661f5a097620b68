from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.classify.pooling import EDGES, pooled
from bmn.data.windows import Window

WINDOW = Window("v", 10.0, 30.0)  # 20 s, shown by 40 snippets


def features(windows=1, snippets=40, channels=3, seed=0):
    return np.random.default_rng(seed).normal(size=(windows, channels, snippets)).astype(np.float32)


@given(start=st.floats(12, 26), length=st.floats(2, 3.9))
def test_a_part_is_the_mean_over_its_time(start, length):
    """Measured by reading the features at many places between."""
    shown = features()
    end = min(start + length, 30)
    found = pooled(shown, [WINDOW], np.array([[start, end]])).reshape(5, 3)
    for part, (low, high) in enumerate(pairwise(EDGES)):
        times = np.clip(start + np.array([low, high]) * (end - start), 10, 30)
        if (times[1] - times[0]) * 2 < 1:
            continue
        middles = times[0] + (np.arange(20_000) + 0.5) / 20_000 * (times[1] - times[0])
        wanted = shown[0][:, ((middles - 10) * 2).astype(int)].mean(axis=1)
        np.testing.assert_allclose(found[part], wanted, atol=2e-3)


def test_what_lies_outside_or_is_short_is_the_nearest_snippet():
    shown = features()
    [at_start, short] = pooled(shown, [WINDOW], np.array([[10.0, 12.0], [20.1, 20.2]])).reshape(2, 5, 3)
    np.testing.assert_allclose(at_start[0], shown[0][:, 0], rtol=1e-5)
    assert np.isfinite(short).all()
    np.testing.assert_allclose(short[2], 0.8 * shown[0][:, 20] + 0.2 * shown[0][:, 19], atol=0.3)


def test_a_segment_is_seen_in_the_window_that_shows_most_around_it():
    shown = features(3)
    windows = [Window("v", 10.0 * start, 10.0 * start + 20) for start in range(3)]
    found = pooled(shown, windows, np.array([[18.0, 22.0], [31.0, 33.0], [1.0, 2.0]]))
    alone = [pooled(shown[[row]], [windows[row]], np.array([segment])) for row, segment in
             [(1, [18.0, 22.0]), (2, [31.0, 33.0]), (0, [1.0, 2.0])]]  # fmt: skip
    np.testing.assert_array_equal(found, np.concatenate(alone))


def test_no_segment_is_nothing():
    assert pooled(features(), [WINDOW], np.empty((0, 2))).shape == (0, 15)


@pytest.mark.parametrize("snippets", [1, 2])
def test_few_snippets_suffice(snippets):
    assert np.isfinite(pooled(features(snippets=snippets), [WINDOW], np.array([[10.0, 30.0]]))).all()
