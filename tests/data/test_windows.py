"""Segments as seen from a window."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from bmn.data.videos import Segment
from bmn.data.windows import FAR_AWAY, Window, cut, fractions, pad, resize

seconds = st.floats(0, 100)
spans = st.tuples(seconds, seconds).filter(lambda pair: pair[1] - pair[0] > 0.01)
segments = st.lists(spans.map(lambda span: Segment(*span, "jump")), max_size=6)


@given(segments, spans, st.sampled_from([0.75, 0.9]))
def test_fractions_are_of_the_segments_that_lie_in_the_window(given_segments, span, inside):
    window = Window("v_a", *span)
    length = window.end - window.start
    shares = [
        (min(one.end, window.end) - max(one.start, window.start)) / (one.end - one.start) for one in given_segments
    ]
    assume(all(abs(share - inside) > 1e-9 for share in shares))
    expected = [
        (max(one.start, window.start), min(one.end, window.end))
        for one, share in zip(given_segments, shares, strict=True)
        if share > inside
    ]
    found = fractions(given_segments, window, inside)
    assert found.shape == (len(expected), 2)
    assert ((found >= 0) & (found <= 1)).all()
    back = window.start + found * length
    np.testing.assert_allclose(back, np.reshape(expected, (-1, 2)), atol=1e-9)


@given(st.integers(1, 60), st.integers(2, 16), st.floats(0, 0.95), st.floats(1, 100))
def test_windows_cover_the_video_and_show_what_was_there(snippets, tscale, overlap, duration):
    features = np.arange(snippets, dtype="float32")[:, None] + 1
    windows = cut(features, "v_a", duration, tscale, overlap)
    second = duration / snippets
    shown = set()
    for window, rows in windows:
        first = round(window.start / second)
        np.testing.assert_allclose([window.start, window.end], [first * second, (first + tscale) * second])
        expected = [number + 1 if number < snippets else 0 for number in range(first, first + tscale)]
        assert rows[:, 0].tolist() == expected
        shown |= set(expected) - {0}
    assert shown == set(range(1, snippets + 1))
    starts = [round(window.start / second) for window, _ in windows]
    assert starts == sorted(set(starts))
    assert max(np.diff(starts), default=0) <= max(1, round(tscale * (1 - overlap)))
    assert snippets < tscale or round(windows[-1][0].end / second) == snippets


def test_the_whole_video_as_a_window_gives_the_published_fractions():
    """PaddleVideo divides seconds by the duration; the last bit matters to its thresholds."""
    duration, start, end = 82.73, 6.195294851794072, 77.73085420904837
    found = fractions([Segment(start, end, "jump")], Window("v_a", 0.0, duration), 0.0)
    assert found.tolist() == [[start / duration, end / duration]]


@given(st.lists(segments, min_size=1, max_size=4))
def test_padding_keeps_the_segments_and_lies_far_away(batch):
    window = Window("v_a", 0.0, 100.0)
    arrays = [fractions(one, window, 0.75) for one in batch]
    padded = pad(arrays)
    assert padded.shape == (len(batch), max(1, *(len(one) for one in arrays), 1), 2)
    for row, one in zip(padded, arrays, strict=True):
        np.testing.assert_array_equal(row[: len(one)], one)
        assert (row[len(one) :] == FAR_AWAY).all()


def test_without_an_overlap_the_whole_video_is_the_one_window():
    features = np.random.default_rng(0).normal(size=(23, 3)).astype(np.float32)
    [(window, resized)] = cut(features, "v_a", 12.5, 10, None)
    assert window == Window("v_a", 0.0, 12.5)
    np.testing.assert_array_equal(resized, resize(features, 10))
