"""From the network's three outputs to the candidate segments of each video.

Everything works on a batch of videos at once and gives what the published one-video loops give, bit for bit.
Source: Lin et al., arXiv 1907.09702, section 4.3 (proposal generation, score fusion, Soft-NMS); where the
paper leaves a choice open, the behaviour of PaddleVideo's ``BMNMetric``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]

DECODED_TOGETHER = 32  # videos: enough to hide the cost of the calls, few enough for the cache


class Candidates(NamedTuple):
    """The segments that may become proposals of a batch of videos, those of one video after those of another.

    Attributes:
        starts: ``[candidate]``, in lengths of the video (0 is its beginning, 1 its end), or of the window where
            windows of a long video were merged.
        ends: ``[candidate]``, in the same unit.
        boundary: ``[candidate]``, start probability · end probability.
        regression: ``[candidate]``, of the confidence map.
        classification: ``[candidate]``, of the confidence map.
        counts: ``[video]``, how many candidates each has.
    """

    starts: Floats
    ends: Floats
    boundary: Float32s
    regression: Float32s
    classification: Float32s
    counts: NDArray[np.intp]

    def of(self, videos: NDArray[np.bool_]) -> "Candidates":
        """Those of some of the videos; ``videos`` has a truth value for each."""
        chosen = np.repeat(videos, self.counts)
        return Candidates._make([*(part[chosen] for part in self[:-1]), self.counts[videos]])


def decode(confidence_map: Float32s, start: Float32s, end: Float32s) -> Candidates:
    """Pair the likely starts with the likely ends.

    A snippet is a likely boundary where its probability is above half of the video's maximum or above both
    neighbours (beyond the ends: 0). The first start and the last end always count. Each likely start t makes
    a candidate with each likely end t + d, d < D: the segment [t / T, (t + d + 1) / T]. A video's candidates
    come in the order of (d, t).

    Args:
        confidence_map: ``[video, 2, D, T]``, regression and classification; read where d + t < T.
        start: ``[video, T]``, start probabilities.
        end: ``[video, T]``, end probabilities.

    Raises:
        BmnError: a probability, or the confidence of a candidate, is NaN, infinite or negative.
    """
    maps = (np.asarray(array, np.float32) for array in (confidence_map, start, end))
    cuts = range(DECODED_TOGETHER, len(start), DECODED_TOGETHER)
    parts = zip(*(np.split(array, cuts) for array in maps), strict=True)
    return concatenate([_decode(*part) for part in parts])


def _decode(confidence_map: Float32s, start: Float32s, end: Float32s) -> Candidates:
    _, _, dscale, tscale = confidence_map.shape
    duration, first = np.nonzero(np.add.outer(np.arange(dscale), np.arange(tscale)) < tscale)
    last = first + duration
    likely_start, likely_end = _likely(start), _likely(end)
    likely_start[:, 0] = likely_end[:, -1] = True
    paired = likely_start.take(first, axis=1) & likely_end.take(last, axis=1)
    counts = np.count_nonzero(paired, axis=1)

    # Places in the flattened arrays: several times faster than a pair of indices.
    video = np.repeat(np.arange(len(counts)), counts)
    cell = np.flatnonzero(paired) - video * len(first)
    duration, first, last = duration.take(cell), first.take(cell), last.take(cell)
    boundary = start.take(video * tscale + first) * end.take(video * tscale + last)
    place = ((video * 2) * dscale + duration) * tscale + first
    regression, classification = confidence_map.take(place), confidence_map.take(place + dscale * tscale)
    factors = start, end, regression, classification
    if not all(factor.min(initial=0) >= 0 and factor.max(initial=0) < np.inf for factor in factors):
        raise BmnError(
            "the network's outputs hold NaN, infinite or negative values where probabilities belong; "
            "look for NaN in the features and in the weights"
        )
    snippet = 1.0 / tscale  # multiplied, not divided by T: as published, to the last bit
    return Candidates(first * snippet, (last + 1) * snippet, boundary, regression, classification, counts)


def _likely(probability: Float32s) -> NDArray[np.bool_]:
    """``[video, T]``: where a boundary is likely."""
    padded = np.pad(probability, ((0, 0), (1, 1)))
    peak = np.logical_and(probability > padded[:, :-2], probability > padded[:, 2:])
    half = probability.max(axis=1, keepdims=True) * np.float32(0.5)
    likely: NDArray[np.bool_] = peak | (probability > half)
    return likely


def concatenate(batches: Sequence[Candidates]) -> Candidates:
    """The videos of several batches, in order, as one batch."""
    return Candidates(*map(np.concatenate, zip(*batches, strict=True)))


def merge(windows: Candidates, offsets: Floats, first: NDArray[np.intp]) -> Candidates:
    """The candidates of windows as those of whole videos.

    Args:
        windows: those of a video one after the other, in units of the window.
        offsets: ``[window]``, where each begins in its video, in the same units.
        first: ``[video]``, the windows with which a video begins; the first is 0.

    Returns:
        Candidates in units of the window, from the beginning of the video.
    """
    offset = np.repeat(offsets, windows.counts)
    return windows._replace(
        starts=windows.starts + offset, ends=windows.ends + offset, counts=np.add.reduceat(windows.counts, first)
    )
