"""Statistics of converted data: are they what they should be, and how good can a model get on them?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.data.store import FeatureStore
from bmn.data.subset import Subset
from bmn.data.videos import Video
from bmn.metrics import TIOU_THRESHOLDS
from bmn.metrics.tiou import tiou

Floats = NDArray[np.float64]

SAMPLED = 500  # windows read for the channel statistics


@dataclass(frozen=True)
class SubsetFacts:
    """Statistics of a subset.

    Attributes:
        windows: rows of the store; one per video, unless long videos are cut.
        coverage: fraction of all time that lies in segments.
        lengths: ``[segment]``, as fractions of the video.
        classes: number of segments per class.
    """

    videos: int
    windows: int
    segments: int
    videos_without_segments: int
    hours: float
    coverage: float
    durations: Floats
    segments_a_video: NDArray[np.int64]
    lengths: Floats
    classes: Counter[str]


def subset_facts(subset: Subset) -> SubsetFacts:
    """Compute the statistics of a subset."""
    videos = list(subset.videos.values())
    durations = np.array([video.duration for video in videos])
    lengths = [(one.end - one.start) / video.duration for video in videos for one in video.segments]
    return SubsetFacts(
        videos=len(videos),
        windows=len(subset.store),
        segments=len(lengths),
        videos_without_segments=sum(not video.segments for video in videos),
        hours=float(durations.sum() / 3600),
        coverage=float(sum(covered(video) for video in videos) / durations.sum()),
        durations=durations,
        segments_a_video=np.array([len(video.segments) for video in videos]),
        lengths=np.array(lengths),
        classes=Counter(one.label for video in videos for one in video.segments),
    )


def covered(video: Video) -> float:
    """Seconds of a video that lie in at least one segment."""
    seconds, reached = 0.0, 0.0
    for segment in video.segments:  # sorted by start
        seconds += max(segment.end - max(segment.start, reached), 0.0)
        reached = max(reached, segment.end)
    return seconds


@dataclass(frozen=True)
class ChannelFacts:
    """Statistics of the features, each ``[channel]``."""

    mean: Floats
    std: Floats
    smallest: Floats
    largest: Floats

    @property
    def constant(self) -> NDArray[np.intp]:
        """The channels that never change."""
        return np.flatnonzero(self.smallest == self.largest)


def channel_facts(store: FeatureStore) -> ChannelFacts:
    """Statistics over windows evenly spaced over a store."""
    rows = np.unique(np.linspace(0, len(store) - 1, SAMPLED).astype(np.int64))
    sums = np.zeros((2, store.channels))
    smallest, largest = np.full(store.channels, np.inf), np.full(store.channels, -np.inf)
    for row in rows:
        features = store.read([row])[0].astype(np.float64)
        sums += features.sum(axis=1), np.square(features).sum(axis=1)
        smallest, largest = np.minimum(smallest, features.min(axis=1)), np.maximum(largest, features.max(axis=1))
    mean, square = sums / (len(rows) * store.tscale)
    return ChannelFacts(mean, np.sqrt(np.maximum(square - mean**2, 0)), smallest, largest)


def grid_tiou(starts: ArrayLike, ends: ArrayLike, tscale: int, dscale: int) -> Floats:
    """The highest tIoU that any proposal of a T x D grid has with each segment.

    Proposals start and end at multiples of 1 / T within [0, 1] and last at most D / T. Only the grid points next to a
    segment's boundaries, and those D away from them, can belong to the best one.

    Args:
        starts, ends: ``[segment]``, fractions of the window.

    Returns:
        ``[segment]``.
    """
    start, end = np.asarray(starts, np.float64) * tscale, np.asarray(ends, np.float64) * tscale
    best = np.zeros_like(start)
    near_start, near_end = (np.floor(start), np.ceil(start)), (np.floor(end), np.ceil(end))
    pairs = [(first, last) for first in near_start for last in near_end]
    pairs += [(first, first + dscale) for first in near_start] + [(last - dscale, last) for last in near_end]
    for first, last in pairs:
        first, last = np.clip(first, 0, tscale), np.clip(last, 0, tscale)
        valid = (last > first) & (last - first <= dscale)
        best = np.maximum(best, np.where(valid, tiou(first, last, start, end), 0.0))
    return best


def highest_recall(subset: Subset, tscale: int, dscale: int) -> float:
    """The AR, in percent, of a model that proposes every cell of a T x D grid: an upper bound for any trained model.

    For a video that is cut into windows, each segment counts in the window that fits it best.
    """
    best = []
    by_video: dict[str, list[tuple[float, float]]] = {name: [] for name in subset.videos}
    for window in subset.store.windows:
        by_video[window.video].append((window.start, window.end))
    for name, spans in by_video.items():
        segments = np.array([(one.start, one.end) for one in subset.videos[name].segments]).reshape(-1, 1, 2)
        low, high = np.array(spans).reshape(1, -1, 2).transpose(2, 0, 1)
        starts, ends = ((segments[:, :, side] - low) / (high - low) for side in (0, 1))
        best.append(grid_tiou(starts, ends, tscale, dscale).max(axis=1, initial=0))
    tious = np.concatenate(best)
    return 100 * float((tious[:, None] >= TIOU_THRESHOLDS).mean()) if len(tious) else 0.0


def grid_recalls(subset: Subset, dscales: Sequence[int], tscales: Sequence[int]) -> list[list[float | None]]:
    """:func:`highest_recall` for several sizes: a row per tscale, a column per dscale, None where D > T."""
    return [[highest_recall(subset, t, d) if d <= t else None for d in dscales] for t in tscales]
