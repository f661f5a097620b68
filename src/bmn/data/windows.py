"""Windows of videos, the time spans that the network sees, and segments relative to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmn.data.videos import Segment

FAR_AWAY = -2.0
"""Start and end of padding segments, as a fraction of the window: far enough before it to overlap no cell."""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a video from ``start`` to ``end`` (seconds)."""

    video: str
    start: float
    end: float


Cut = tuple[Window, NDArray[np.float32]]


def cut(features: NDArray[np.float32], video: str, duration: float, tscale: int, overlap: float | None) -> list[Cut]:
    """The windows of a video, of ``tscale`` snippets each, with their features.

    Without an overlap the whole video is one window, and its features are resized. Otherwise the video is cut: its
    snippets divide the duration evenly, adjacent windows share ``overlap`` of their length, and the last window ends
    with the video. A video shorter than a window is padded with zeros at its end.

    Args:
        features: ``[snippet, channel]``.
        duration: of the video, seconds.
        overlap: a fraction below 1, or None.

    Returns:
        The windows by increasing start, each with its features ``[tscale, channel]``.
    """
    if overlap is None:
        return [(Window(video, 0.0, duration), resize(features, tscale))]
    length = len(features)
    second = duration / length
    step = max(1, round(tscale * (1 - overlap)))
    last = max(length - tscale, 0)
    padded = np.pad(features, ((0, max(tscale - length, 0)), (0, 0)))
    return [
        (Window(video, first * second, (first + tscale) * second), padded[first : first + tscale])
        for first in [*range(0, last, step), last]
    ]


def fractions(segments: Sequence[Segment], window: Window, inside: float) -> NDArray[np.float64]:
    """The segments that lie in a window, as fractions of it, clipped to [0, 1].

    Args:
        inside: the smallest fraction of a segment that a window must hold (0.75 in OpenTAD and TadTR).

    Returns:
        ``[segment, 2]``, start and end.
    """
    held = [
        (segment.start, segment.end)
        for segment in segments
        if min(segment.end, window.end) - max(segment.start, window.start) >= inside * (segment.end - segment.start)
    ]
    seconds = np.asarray(held, dtype=np.float64).reshape(-1, 2)
    return np.clip((seconds - window.start) / (window.end - window.start), 0.0, 1.0)


def pad(segments: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Stack the segments of several windows, padded with segments that overlap nothing.

    Args:
        segments: one array ``[segment, 2]`` per window, in fractions of it.

    Returns:
        ``[batch, segment, 2]``, with at least one segment per window.
    """
    longest = max((len(one) for one in segments), default=0)
    padded = np.full((len(segments), max(longest, 1), 2), FAR_AWAY)
    for row, one in zip(padded, segments, strict=True):
        row[: len(one)] = one
    return padded


def resize(features: NDArray[np.float32], tscale: int) -> NDArray[np.float32]:
    """Resize to ``tscale`` snippets by linear interpolation between snippet centres.

    The first and last values are held beyond the outermost centres, as ActionFormer and OpenTAD do (``interpolate``,
    ``align_corners=False``).

    Args:
        features: ``[snippet, channel]``.

    Returns:
        ``[tscale, channel]``, float32; the input itself if it already has this length.
    """
    length = len(features)
    if length == tscale:
        return features
    position = np.clip((np.arange(tscale) + 0.5) * (length / tscale) - 0.5, 0, length - 1)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, length - 1)
    weight = (position - below).astype(np.float32)[:, None]
    resized: NDArray[np.float32] = features[below] * (1 - weight) + features[above] * weight
    return resized
