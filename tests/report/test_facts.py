"""The statistics of the data report."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.data.store import FeatureStore
from bmn.data.subset import Subset
from bmn.data.videos import Segment, Video
from bmn.data.windows import Window
from bmn.report.facts import channel_facts, covered, grid_recalls, grid_tiou, highest_recall, subset_facts


def video(name, duration, *segments):
    rows = sorted(Segment(start, end, label) for start, end, label in segments)
    return Video(name, "validation", duration, tuple(rows))


def subset_of(videos, windows=None, features=None, tmp_path="none.npy"):
    windows = windows or [Window(one.id, 0.0, one.duration) for one in videos]
    array = np.zeros((len(windows), 2, 3), "float32") if features is None else features
    return Subset(FeatureStore(tmp_path, tuple(windows), array, ""), {one.id: one for one in videos}, [], videos)


def test_a_subset_is_counted():
    videos = [video("a", 10.0, (0, 4, "x"), (2, 6, "y"), (3, 5, "x")), video("b", 30.0)]
    facts = subset_facts(subset_of(videos))
    assert (facts.videos, facts.windows, facts.segments, facts.videos_without_segments) == (2, 2, 3, 1)
    assert facts.hours == pytest.approx(40 / 3600)
    assert facts.coverage == pytest.approx(6 / 40)
    assert facts.classes == Counter(x=2, y=1)
    np.testing.assert_allclose(sorted(facts.lengths), [0.2, 0.4, 0.4])


spans = st.tuples(st.integers(0, 20), st.integers(1, 20)).map(lambda pair: (pair[0], pair[0] + pair[1], "x"))


@given(st.lists(spans, max_size=6))
def test_overlapping_time_is_counted_once(segments):
    seconds = set().union(*(range(start, end) for start, end, _ in segments))
    assert covered(video("a", 50.0, *segments)) == len(seconds)


def test_channels_are_measured():
    features = np.zeros((4, 2, 3), "float32")
    features[:, 1] = np.arange(12, dtype="float32").reshape(4, 3)
    facts = channel_facts(subset_of([video(f"{k}", 1.0) for k in range(4)], features=features).store)
    np.testing.assert_allclose(facts.mean, [0, 5.5])
    np.testing.assert_allclose(facts.std, [0, np.arange(12).std()])
    np.testing.assert_allclose((facts.smallest[1], facts.largest[1]), (0, 11))
    assert facts.constant.tolist() == [0]


def every_cell(start, end, tscale, dscale):
    """The best of all proposals of the grid, by brute force."""
    best = 0.0
    for first in range(tscale):
        for last in range(first + 1, min(first + dscale, tscale) + 1):
            overlap = max(min(last / tscale, end) - max(first / tscale, start), 0)
            union = (last - first) / tscale + (end - start) - overlap
            best = max(best, overlap / union)
    return best


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 12), st.data())
def test_the_best_cell_of_the_grid_is_found(one, other, tscale, data):
    start, end = sorted((one, other))
    end = max(end, start + 1e-3)
    dscale = data.draw(st.integers(1, tscale))
    [found] = grid_tiou([start], [end], tscale, dscale)
    assert found == pytest.approx(every_cell(start, end, tscale, dscale), abs=1e-9)


def test_the_highest_recall_comes_from_the_best_cells():
    videos = [video("a", 10.0, (0, 5, "x"), (0, 10, "x")), video("b", 10.0, (1, 1.4, "x"))]
    subset = subset_of(videos)
    assert highest_recall(subset, 10, 10) == pytest.approx(100 * 2 / 3)  # 0.4 of a snippet: at most 0.4
    assert highest_recall(subset, 10, 5) == pytest.approx(100 * (1 + 0.1) / 3)  # half of the long one
    assert highest_recall(subset, 50, 50) == 100
    assert grid_recalls(subset, [5, 10, 20], [10]) == [
        [highest_recall(subset, 10, 5), highest_recall(subset, 10, 10), None]
    ]


def test_a_segment_counts_in_the_window_that_fits_it_best():
    videos = [video("a", 12.0, (6, 8, "x"))]
    windows = [Window("a", 0.0, 8.0), Window("a", 4.0, 12.0)]
    assert highest_recall(subset_of(videos, windows), 4, 4) == 100
    assert highest_recall(subset_of(videos, [Window("a", 0.0, 7.0)]), 7, 7) == pytest.approx(10)
