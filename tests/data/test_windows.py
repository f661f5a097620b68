"""Segments as seen from a window."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bmn.data.annotations import Segment
from bmn.data.windows import FAR_AWAY, Window, fractions, pad

seconds = st.floats(0, 100)
spans = st.tuples(seconds, seconds).filter(lambda pair: pair[1] - pair[0] > 0.01)
segments = st.lists(spans.map(lambda span: Segment(*span, "jump")), max_size=6)


@given(segments, spans)
def test_fractions_are_the_overlap_with_the_window(given_segments, span):
    window = Window("v_a", *span)
    length = window.end - window.start
    expected = [
        (max(segment.start, window.start), min(segment.end, window.end))
        for segment in given_segments
        if min(segment.end, window.end) > max(segment.start, window.start)
    ]
    found = fractions(given_segments, window)
    assert found.shape == (len(expected), 2)
    assert ((found >= 0) & (found <= 1)).all()
    back = window.start + found * length
    np.testing.assert_allclose(back, np.reshape(expected, (-1, 2)), atol=1e-9)


def test_the_whole_video_as_a_window_gives_the_published_fractions():
    """PaddleVideo divides seconds by the duration; the last bit matters to its thresholds."""
    duration, start, end = 82.73, 6.195294851794072, 77.73085420904837
    found = fractions([Segment(start, end, "jump")], Window("v_a", 0.0, duration))
    assert found.tolist() == [[start / duration, end / duration]]


@given(st.lists(segments, min_size=1, max_size=4))
def test_padding_keeps_the_segments_and_lies_far_away(batch):
    window = Window("v_a", 0.0, 100.0)
    arrays = [fractions(one, window) for one in batch]
    padded = pad(arrays)
    assert padded.shape == (len(batch), max(1, *(len(one) for one in arrays), 1), 2)
    for row, one in zip(padded, arrays, strict=True):
        np.testing.assert_array_equal(row[: len(one)], one)
        assert (row[len(one) :] == FAR_AWAY).all()
