"""Label maps against the published loops, golden values, and by property."""

import golden
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracles.labels import published_labels

from bmn.data.windows import pad
from bmn.loss.labels import label_maps

THRESHOLDS = (0.3, 0.5, 0.7, 0.9)

fraction = st.floats(0, 1)
segment = st.tuples(fraction, fraction).map(sorted).filter(lambda pair: pair[1] - pair[0] > 1e-3)
windows = st.lists(st.lists(segment, max_size=4), min_size=1, max_size=3)


def maps(batch, tscale, dscale):
    padded = pad([np.array(one, dtype=np.float64).reshape(-1, 2) for one in batch])
    return [label.numpy() for label in label_maps(padded, tscale, dscale)]


def valid_cells(tscale, dscale):
    return np.add.outer(np.arange(dscale), np.arange(tscale)) < tscale


@given(windows, st.integers(1, 13), st.data())
def test_labels_equal_the_published_loops(batch, tscale, data):
    dscale = data.draw(st.integers(1, tscale))
    iou_map, start, end = maps(batch, tscale, dscale)
    valid = valid_cells(tscale, dscale)
    assert iou_map.dtype == start.dtype == end.dtype == np.float32
    for row, segments in enumerate(batch):
        expected_map, expected_start, expected_end = published_labels(segments, tscale, dscale)
        np.testing.assert_allclose(iou_map[row], expected_map * valid, atol=1e-6)
        np.testing.assert_allclose(start[row], expected_start, atol=1e-6)
        np.testing.assert_allclose(end[row], expected_end, atol=1e-6)


@given(st.integers(2, 12), st.data())
def test_segments_on_the_grid_fall_on_the_published_side_of_the_thresholds(tscale, data):
    """On the grid a tIoU is a ratio of small integers, so thresholds are met exactly."""
    ticks = st.tuples(st.integers(0, tscale), st.integers(0, tscale)).filter(lambda pair: pair[0] < pair[1])
    segments = [(a / tscale, b / tscale) for a, b in data.draw(st.lists(ticks, min_size=1, max_size=3))]
    valid = valid_cells(tscale, tscale)
    found = maps([segments], tscale, tscale)[0][0]
    expected = published_labels(segments, tscale, tscale)[0]
    for threshold in np.float32(THRESHOLDS):
        np.testing.assert_array_equal((found > threshold)[valid], (expected > threshold)[valid])


def test_a_window_without_segments_gets_zeros_and_leaves_its_neighbours_alone():
    with_empty = maps([[], [(0.2, 0.7)], []], 10, 7)
    alone = maps([[(0.2, 0.7)]], 10, 7)
    for found, expected in zip(with_empty, alone, strict=True):
        assert not found[0].any()
        assert not found[2].any()
        np.testing.assert_array_equal(found[1], expected[0])


def test_golden_labels_of_real_videos():
    published = golden.arrays("labels")
    videos = golden.read("videos.json")
    batch = [
        np.clip(np.array([a["segment"] for a in video["annotations"]]) / video["duration_second"], 0, 1)
        for video in videos
    ]
    dscale, tscale = published["gt_iou_map"].shape[1:]
    valid = valid_cells(tscale, dscale)
    found = dict(zip(("gt_iou_map", "gt_start", "gt_end"), maps(batch, tscale, dscale), strict=True))
    np.testing.assert_allclose(found["gt_iou_map"], published["gt_iou_map"] * valid, atol=1e-6)
    np.testing.assert_allclose(found["gt_start"], published["gt_start"], atol=1e-6)
    np.testing.assert_allclose(found["gt_end"], published["gt_end"], atol=1e-6)
    for threshold in np.float32(THRESHOLDS):
        differ = (found["gt_iou_map"] > threshold) != (published["gt_iou_map"] > threshold)
        assert not differ[:, valid].any()
