"""A segment as a vector of fixed length: the means of the features over its thirds, and over its context."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bmn.data.windows import Window

PARTS = 5  # the context before, three thirds, the context after
EDGES = np.array([-1.0, 0.0, 1 / 3, 2 / 3, 1.0, 2.0])  # of the parts, in lengths of the segment
Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]


def pooled(features: Float32s, windows: Sequence[Window], segments: Floats) -> Float32s:
    """The features of segments of one video.

    Each segment is seen in the one window that shows most around it, as the network saw it there; a part that lies
    outside, or is shorter than a snippet, is the nearest snippet.

    Args:
        features: ``[window, channel, snippet]``.
        windows: of the video.
        segments: ``[segment, 2]`` (start, end), seconds.

    Returns:
        ``[segment, PARTS · channel]``.
    """
    count, channels, length = features.shape
    starts, ends = (np.array([getattr(window, name) for window in windows]) for name in ("start", "end"))
    around = np.minimum(segments[:, :1] - starts, ends - segments[:, 1:])
    chosen = around.argmax(axis=1)
    snippets = (segments - starts[chosen, None]) / (ends - starts)[chosen, None] * length
    edges = snippets[:, :1] + np.diff(snippets) * EDGES
    low, high = np.clip(edges[:, :-1], 0, length), np.clip(edges[:, 1:], 0, length)
    short = high - low < 1
    middle = np.clip((low + high) / 2, 0.5, length - 0.5)
    low, high = np.where(short, middle - 0.5, low), np.where(short, middle + 0.5, high)

    found = np.empty((len(segments), PARTS, channels), np.float32)
    for window in range(count):
        own = chosen == window
        if own.any():
            total = np.zeros((length + 1, channels))
            np.cumsum(features[window].T, axis=0, dtype=np.float64, out=total[1:])
            lengths = (high[own] - low[own])[..., None]
            found[own] = (_until(total, high[own]) - _until(total, low[own])) / lengths
    return found.reshape(len(segments), PARTS * channels)


def _until(total: Floats, position: Floats) -> Floats:
    """The sum of the features up to places between snippets: ``[…, channel]``."""
    below = np.minimum(position.astype(np.intp), len(total) - 2)
    part = (position - below)[..., None]
    between: Floats = total[below] * (1 - part) + total[below + 1] * part
    return between
