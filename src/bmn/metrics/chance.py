"""Proposals that look at no video: what the distribution of segments alone is worth."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bmn.data.videos import Video


def prior_proposals(
    training: Sequence[Video], videos: Sequence[Video], *, seed: int, count: int = 100
) -> dict[str, NDArray[np.float64]]:
    """For each video ``count`` segments drawn from the training set, scaled to its duration.

    Args:
        training: where segments are drawn from, with replacement and equal chances.
        videos: which videos get proposals; each has its own draw.

    Returns:
        By video id ``[count, 2]``: start and end in seconds, in the order of the draw (the first counts as
        best).
    """
    segments = np.array(
        [
            (segment.start / video.duration, segment.end / video.duration)
            for video in training
            for segment in video.segments
        ]
    )
    rng = np.random.default_rng(seed)
    return {
        video.id: segments[rng.integers(len(segments), size=count)] * video.duration
        for video in sorted(videos, key=lambda video: video.id)
    }
