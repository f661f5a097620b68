"""The chance baseline: proposals drawn from the distribution of training segments, without looking at any video."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.data.videos import Video
from bmn.metrics.recall import proposal_recall


def chance_proposals(
    training: Sequence[Video], videos: Sequence[Video], *, seed: int, count: int = 100
) -> dict[str, NDArray[np.float64]]:
    """``count`` segments per video, drawn from the training set and scaled to the video's duration.

    Args:
        training: the source of the segments, drawn uniformly with replacement.
        videos: the videos that get proposals; each has its own draw.

    Returns:
        By video id ``[count, 2]``: start and end in seconds, in the order drawn (the first counts as best).
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
        training: the source of the segments.
        videos: the videos that get proposals.
        truth: video → ``[segment, 2]`` (start, end), in seconds: the segments to find.

    Raises:
        BmnError: the ground truth has no segments.
    """
    drawn = chance_proposals(training, videos, seed=0)
    ranked = {video: np.column_stack([rows, np.arange(len(rows), 0, -1)]) for video, rows in drawn.items()}
    return proposal_recall(truth, ranked).auc
