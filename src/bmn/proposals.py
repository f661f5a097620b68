"""From the network's three outputs to the best scored segments of each video: decoding, scoring and Soft-NMS.

Everything works on a batch of videos at once and gives what the published one-video loops give, bit for bit.
Source: Lin et al., arXiv 1907.09702, section 4.3 (proposal generation, score fusion, Soft-NMS); where the
paper leaves a choice open, the behaviour of PaddleVideo's ``BMNMetric``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from bmn.errors import BmnError

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]

# Videos worked on together: enough to hide the cost of the calls, few enough for the cache and the memory.
DECODED_TOGETHER = 32
SUPPRESSED_TOGETHER = 128
REACH = 512  # proposals of a video looked at, and again as many when these no longer suffice


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


@dataclass(frozen=True)
class Proposals:
    """The proposals of a batch of videos: one row a video, best first, zeros after the last one.

    Attributes:
        starts: ``[video, proposal]``, in lengths of the video (0 is its beginning, 1 its end), or of the
            window where windows of a long video were merged.
        ends: ``[video, proposal]``, in the same unit.
        scores: ``[video, proposal]``, never negative, never rising along a row.
        counts: ``[video]``, how many proposals each row holds.
    """

    starts: Floats
    ends: Floats
    scores: Floats
    counts: NDArray[np.intp]


@dataclass(frozen=True)
class ProposalSettings:
    """How candidates are scored and how overlapping proposals are suppressed; the defaults are the published ones.

    Attributes:
        boundary_exponent: weight of start probability · end probability in a score; 0 (ignored) or more.
        regression_exponent: weight of the regression channel; 0 or more.
        classification_exponent: weight of the classification channel; 0 or more.
        alpha: a score decays by exp(-tIoU² / alpha); greater than 0.
        low_threshold: the tIoU above which it decays, for a selected proposal of no width; 0 or more.
        high_threshold: the same for one as long as the video (the window); linear between; 0 or more.
        max_proposals: how many are kept a video; 1 or more.
    """

    boundary_exponent: float = 1.0
    regression_exponent: float = 1.0
    classification_exponent: float = 1.0
    alpha: float = 0.4
    low_threshold: float = 0.55
    high_threshold: float = 0.9
    max_proposals: int = 100


class Result(TypedDict):
    """One proposal in ActivityNet's result form; ``segment`` is [start, end] in seconds."""

    score: float
    segment: list[float]


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


def score(candidates: Candidates, settings: ProposalSettings = ProposalSettings()) -> Proposals:
    """Score each candidate and put those of a video in order, best first; equal scores keep the order that they had.

    A score is (start probability · end probability)^boundary_exponent · regression^regression_exponent ·
    classification^classification_exponent, in float32; as published where the exponents are 1.
    """
    scores = candidates.boundary**settings.boundary_exponent * (
        candidates.regression**settings.regression_exponent
        * candidates.classification**settings.classification_exponent
    )
    counts = candidates.counts
    held = np.arange(counts.max(initial=0)) < counts[:, None]
    order = _best_first(scores, held)
    starts, ends, ranked = np.zeros((3, *held.shape))
    starts[held], ends[held], ranked[held] = candidates.starts[order], candidates.ends[order], scores[order]
    return Proposals(starts, ends, ranked, counts)


def _best_first(scores: Float32s, held: NDArray[np.bool_]) -> NDArray[np.intp]:
    """``[candidate]``: the places of each video's candidates, video after video, by falling score.

    The bits of a float that is not negative order as the float does. With the bits, inverted, above the place
    in one integer, a plain sort does what a stable argsort would, in a fraction of its time.

    Args:
        scores: ``[candidate]``, not negative; fewer than 2³².
        held: ``[video, place]``, true where a row of padded videos holds a candidate.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # the sum makes -0 a 0
    keys = np.full(held.shape, np.iinfo(np.uint64).max)
    keys[held] = (~bits).astype(np.uint64) << np.uint64(32) | np.arange(len(bits), dtype=np.uint64)
    keys.sort(axis=1)
    return (keys[held] & np.uint64(0xFFFFFFFF)).astype(np.intp)


def _likely(probability: Float32s) -> NDArray[np.bool_]:
    """``[video, T]``: where a boundary is likely."""
    padded = np.pad(probability, ((0, 0), (1, 1)))
    peak = np.logical_and(probability > padded[:, :-2], probability > padded[:, 2:])
    half = probability.max(axis=1, keepdims=True) * np.float32(0.5)
    likely: NDArray[np.bool_] = peak | (probability > half)
    return likely


def soft_nms(proposals: Proposals, settings: ProposalSettings = ProposalSettings()) -> Proposals:
    """Select the best proposal of each video again and again, decaying the scores of those it overlaps.

    After each selection every remaining proposal whose tIoU with the selected one is above
    low_threshold + (high_threshold - low_threshold) · width of the selected one has its score multiplied by
    exp(-tIoU² / alpha). Equal scores: the proposal that came first in ``proposals`` wins. As published, the
    last remaining proposal is never selected, unless it is the only one that the video had.

    Args:
        proposals: from :func:`score`.
        settings: the published ones by default.

    Returns:
        At most ``max_proposals`` a video, with their decayed scores.
    """
    selectable = np.where(proposals.counts > 1, proposals.counts - 1, proposals.counts)
    counts = np.minimum(selectable, settings.max_proposals)
    kept = np.zeros((3, len(counts), counts.max(initial=0)))
    order = np.argsort(proposals.counts, kind="stable")  # neighbours of like length waste little padding
    for low in range(0, len(order), SUPPRESSED_TOGETHER):
        videos = order[low : low + SUPPRESSED_TOGETHER]
        selected = _select(proposals, videos, counts[videos].max(), settings)
        selected[:, np.arange(selected.shape[2]) >= counts[videos, None]] = 0
        kept[:, videos, : selected.shape[2]] = selected
    starts, ends, scores = kept
    return Proposals(starts, ends, scores, counts)


def _select(proposals: Proposals, videos: NDArray[np.intp], steps: int, settings: ProposalSettings) -> Floats:
    """``[3, video, step]``: starts, ends and scores in the order of selection.

    A score never rises. So while the best score within the first proposals of a row is not below the score
    with which the first one beyond them began, nothing beyond can be selected (equal scores: the earlier one
    wins), and nothing beyond is looked at. When it falls below, more are taken in, and catch up on the decays
    that they missed, in order.
    """
    counts = proposals.counts[videos]
    width = counts.max(initial=0)
    starts, ends = proposals.starts[videos, :width], proposals.ends[videos, :width]
    scores = np.where(np.arange(width) < counts[:, None], proposals.scores[videos, :width], -1.0)

    selected = np.empty((3, len(videos), steps))
    reach = min(REACH, width)
    within = _Remaining(starts[:, :reach], ends[:, :reach], scores[:, :reach])
    for step in range(steps):
        best = within.best()
        while reach < width and (within.scores.take(best) < scores[:, reach]).any():
            beyond = slice(reach, min(reach + REACH, width))
            later = _Remaining(starts[:, beyond], ends[:, beyond], scores[:, beyond])
            for past in range(step):
                later.decay(selected[0, :, past], selected[1, :, past], settings)
            reach = beyond.stop
            joined = np.concatenate([within.scores, later.scores], axis=1)
            within = _Remaining(starts[:, :reach], ends[:, :reach], joined)
            best = within.best()
        selected[:, :, step] = start, end, _ = within.take(best)
        within.decay(start, end, settings)
    return selected


class _Remaining:
    """Proposals ``[video, proposal]`` whose scores decay; -1 marks one that is gone or never was."""

    def __init__(self, starts: Floats, ends: Floats, scores: Floats) -> None:
        self.starts, self.ends, self.scores = map(np.ascontiguousarray, (starts, ends, scores))
        # What the sieve of decay() works on. It never lets a proposal through that ends before everything.
        self._starts = self.starts.astype(np.float32)
        self._ends = np.where(scores < 0, -np.inf, ends).astype(np.float32)
        self._widths = (ends - starts).astype(np.float32)
        self._slack = 1e-6 * ends.max(initial=1.0)
        self._buffers = np.empty((2, *scores.shape), np.float32)
        self._near = np.empty(scores.shape, np.bool_)

    def best(self) -> NDArray[np.intp]:
        """``[video]``: where, in the flattened arrays, the best proposal of each video stands."""
        rows, width = self.scores.shape
        flat: NDArray[np.intp] = self.scores.argmax(axis=1) + np.arange(0, rows * width, width)
        return flat

    def take(self, at: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
        """Remove one proposal of each video; return its start, end and score, each ``[video]``."""
        taken = self.starts.take(at), self.ends.take(at), self.scores.take(at)
        self.scores.put(at, -1.0)
        self._ends.put(at, -np.inf)
        return taken

    def decay(self, start: Floats, end: Floats, settings: ProposalSettings) -> None:
        """Decay the scores of the proposals that overlap the selected segments, one a video, too much."""
        width = end - start
        threshold = settings.low_threshold + (settings.high_threshold - settings.low_threshold) * width

        # tIoU > threshold  <=>  intersection > share · (the two widths). Few proposals pass, so float32
        # sieves them first (its rounding is below the slack: none is lost) and float64 decides as published.
        share = threshold / (1 + threshold)
        shared, other = self._buffers
        np.minimum(self._ends, _column(end), out=shared)
        shared -= np.maximum(self._starts, _column(start), out=other)
        np.multiply(self._widths, _column(share), out=other)
        other += _column(share * width - self._slack)
        np.greater(shared, other, out=self._near)
        near = np.flatnonzero(self._near)
        video = near // self.scores.shape[1]

        start, end = start[video], end[video]
        starts, ends, scores = self.starts.take(near), self.ends.take(near), self.scores.take(near)
        intersection = np.maximum(np.minimum(ends, end) - np.maximum(starts, start), 0.0)
        tiou = intersection / (ends - starts - intersection + end - start)
        factor = np.where(tiou > threshold[video], np.exp(-np.square(tiou) / settings.alpha), 1.0)
        self.scores.put(near, scores * factor)


def _column(values: Floats) -> Float32s:
    return values.astype(np.float32)[:, None]


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


def in_seconds(proposals: Proposals, durations: Floats, unit: Floats | None = None) -> list[Floats]:
    """The proposals of each video as rows (start, end, score), seconds, best first, cut to the video.

    Args:
        proposals: of a batch of videos.
        durations: ``[video]``, seconds.
        unit: ``[video]``, how many seconds one unit of ``proposals`` lasts; the duration where not given.
    """
    unit = durations if unit is None else unit
    starts, ends = (
        np.clip(boundaries * unit[:, None], 0.0, durations[:, None])
        for boundaries in (proposals.starts, proposals.ends)
    )
    rows = np.stack([starts, ends, proposals.scores], axis=2)
    return [row[:count] for row, count in zip(rows, proposals.counts, strict=True)]


def results(rows: Floats) -> list[Result]:
    """One video's proposals, ``[proposal, 3]`` as from :func:`in_seconds`, in ActivityNet's result form."""
    return [{"score": score, "segment": [start, end]} for start, end, score in rows.tolist()]
