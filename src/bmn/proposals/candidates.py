"""From the network's three outputs to the candidate segments of each video.

Everything is vectorized over a batch of videos and bit-identical to the published loops over single videos. Source:
Lin et al., arXiv 1907.09702, section 4.3 (proposal generation); where the paper is silent, PaddleVideo's ``BMNMetric``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]

DECODED_TOGETHER = 32  # videos: enough to amortize the calls, few enough for the cache


class Candidates(NamedTuple):
    """The candidate segments of a batch of videos, concatenated video by video.

    Attributes:
        starts: ``[candidate]``, as a fraction of the video (or of the window length, where the windows of a long video
            were merged).
        ends: ``[candidate]``, in the same unit.
        boundary: ``[candidate]``, start probability · end probability.
        regression: ``[candidate]``, from the confidence map.
        classification: ``[candidate]``, from the confidence map.
        counts: ``[video]``, the number of candidates of each.
    """

    starts: Floats
    ends: Floats
    boundary: Float32s
    regression: Float32s
    classification: Float32s
    counts: NDArray[np.intp]

    def of(self, videos: NDArray[np.bool_]) -> "Candidates":
        """The candidates of some of the videos; ``videos`` is a boolean mask."""
        chosen = np.repeat(videos, self.counts)
        return Candidates._make([*(part[chosen] for part in self[:-1]), self.counts[videos]])


def decode(confidence_map: Float32s, start: Float32s, end: Float32s) -> Candidates:
    """Pair the likely starts with the likely ends.

    A snippet is a likely boundary if its probability is above half of the video's maximum or above both neighbours
    (0 beyond the ends). The first start and the last end always count. Each likely start t forms a candidate with each
    likely end t + d, d < D: the segment [t / T, (t + d + 1) / T]. A video's candidates are ordered by (d, t).

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

    # Flat indices are several times faster than pairs of indices.
    video = np.repeat(np.arange(len(counts)), counts)
    cell = np.flatnonzero(paired) - video * len(first)
    duration, first, last = duration.take(cell), first.take(cell), last.take(cell)
    boundary = start.take(video * tscale + first) * end.take(video * tscale + last)
    place = ((video * 2) * dscale + duration) * tscale + first
    regression, classification = confidence_map.take(place), confidence_map.take(place + dscale * tscale)
    factors = start, end, regression, classification
    if not all(factor.min(initial=0) >= 0 and factor.max(initial=0) < np.inf for factor in factors):
        raise BmnError(
            "the network's outputs hold NaN, infinite or negative values instead of probabilities; "
            "check the features and the weights for NaN"
        )
    snippet = 1.0 / tscale  # multiplying instead of dividing by T is bit-exact with the published code
    return Candidates(first * snippet, (last + 1) * snippet, boundary, regression, classification, counts)


def _likely(probability: Float32s) -> NDArray[np.bool_]:
    """``[video, T]``: where a boundary is likely."""
    padded = np.pad(probability, ((0, 0), (1, 1)))
    peak = np.logical_and(probability > padded[:, :-2], probability > padded[:, 2:])
    half = probability.max(axis=1, keepdims=True) * np.float32(0.5)
    likely: NDArray[np.bool_] = peak | (probability > half)
    return likely


def concatenate(batches: Sequence[Candidates]) -> Candidates:
    """Concatenate batches of videos."""
    return Candidates(*map(np.concatenate, zip(*batches, strict=True)))


def merge(windows: Candidates, offsets: Floats, first: NDArray[np.intp]) -> Candidates:
    """Merge the candidates of windows into those of whole videos.

    Args:
        windows: contiguous for each video, in units of the window length.
        offsets: ``[window]``, the start of each in its video, in the same units.
        first: ``[video]``, the index of each video's first window.

    Returns:
        Candidates in units of the window length, relative to the start of the video.
    """
    offset = np.repeat(offsets, windows.counts)
    return windows._replace(
        starts=windows.starts + offset, ends=windows.ends + offset, counts=np.add.reduceat(windows.counts, first)
    )
