"""Windows of videos: the stretches of time that the network sees, and segments as seen from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmn.data.annotations import Segment

FAR_AWAY = -2.0
"""Where padding stands, as a fraction of the window: so far before it that no label knows of it."""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a video from ``start`` to ``end`` (seconds)."""

    video: str
    start: float
    end: float


def fractions(segments: Sequence[Segment], window: Window) -> NDArray[np.float64]:
    """The segments that overlap a window, as fractions of it, cut to [0, 1].

    Returns:
        ``[segment, 2]``, start and end.
    """
    overlapping = [
        (segment.start, segment.end)
        for segment in segments
        if segment.start < window.end and segment.end > window.start
    ]
    seconds = np.asarray(overlapping, dtype=np.float64).reshape(-1, 2)
    return np.clip((seconds - window.start) / (window.end - window.start), 0.0, 1.0)


def pad(segments: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Stack segments of several windows; the shorter ones are filled with segments that overlap nothing.

    Args:
        segments: one array ``[segment, 2]`` a window, in fractions of it.

    Returns:
        ``[batch, segment, 2]``, with at least one segment a window.
    """
    longest = max((len(one) for one in segments), default=0)
    padded = np.full((len(segments), max(longest, 1), 2), FAR_AWAY)
    for row, one in zip(padded, segments, strict=True):
        row[: len(one)] = one
    return padded
