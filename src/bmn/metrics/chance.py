"""The chance baseline: proposals that look at no video, worth what the distribution of segments alone is worth."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.data.videos import Video
from bmn.metrics.recall import proposal_recall


def chance_proposals(
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


def chance_auc(training: Sequence[Video], videos: Sequence[Video], truth: Mapping[str, ArrayLike]) -> float:
    """The AUC of the chance baseline, in percent: what a model has to beat.

    Args:
        training: where segments are drawn from.
        videos: which videos get proposals.
        truth: video → ``[segment, 2]`` (start, end), seconds: what the proposals are to find.

    Raises:
        BmnError: the ground truth holds no segment.
    """
    drawn = chance_proposals(training, videos, seed=0)
    ranked = {video: np.column_stack([rows, np.arange(len(rows), 0, -1)]) for video, rows in drawn.items()}
    return proposal_recall(truth, ranked).auc
