"""From candidates to the best-scored segments of each video: score fusion and Soft-NMS.

Everything is vectorized over a batch of videos and bit-identical to the published loops over single videos. Source:
Lin et al., arXiv 1907.09702, section 4.3 (score fusion, Soft-NMS); where the paper is silent, PaddleVideo's
``BMNMetric``.
"""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from bmn.base.schema import ProposalSettings
from bmn.proposals.candidates import Candidates, Float32s, Floats

SUPPRESSED_TOGETHER = 128  # videos: enough to amortize the calls, few enough for the cache
PUBLISHED = ProposalSettings()
REACH = 512  # proposals of a video considered at first, and added whenever these no longer suffice


@dataclass(frozen=True)
class Proposals:
    """The proposals of a batch of videos: one row per video, best first, padded with zeros.

    Attributes:
        starts: ``[video, proposal]``, as a fraction of the video (or of the window length, where the windows of a long
            video were merged).
        ends: ``[video, proposal]``, in the same unit.
        scores: ``[video, proposal]``, non-negative and non-increasing along a row.
        counts: ``[video]``, the number of proposals in each row.
    """

    starts: Floats
    ends: Floats
    scores: Floats
    counts: NDArray[np.intp]


class Result(TypedDict):
    """One proposal in ActivityNet's result format; ``segment`` is [start, end] in seconds."""

    score: float
    segment: list[float]


def score(candidates: Candidates, settings: ProposalSettings = PUBLISHED) -> Proposals:
    """Score the candidates and sort those of each video, best first; the sort is stable.

    A score is (start probability · end probability)^boundary_exponent · regression^regression_exponent ·
    classification^classification_exponent, in float32; exponents of 1 give the published score.
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
    """``[candidate]``: the indices of each video's candidates by decreasing score, video by video.

    Non-negative floats sort like their bits. With the inverted bits above the index in one integer, a plain sort does
    the work of a stable argsort in a fraction of the time.

    Args:
        scores: ``[candidate]``, non-negative; fewer than 2³².
        held: ``[video, place]``, whether a padded row holds a candidate there.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # adding 0 turns -0 into 0
    keys = np.full(held.shape, np.iinfo(np.uint64).max)
    keys[held] = (~bits).astype(np.uint64) << np.uint64(32) | np.arange(len(bits), dtype=np.uint64)
    keys.sort(axis=1)
    return (keys[held] & np.uint64(0xFFFFFFFF)).astype(np.intp)


def soft_nms(proposals: Proposals, settings: ProposalSettings = PUBLISHED) -> Proposals:
    """Repeatedly select the best proposal of each video, decaying the scores of those it overlaps.

    After each selection, every remaining proposal whose tIoU with the selected one is above
    low_threshold + (high_threshold - low_threshold) · width of the selected one has its score multiplied by
    exp(-tIoU² / alpha). Ties go to the proposal that comes first in ``proposals``. As published, the last remaining
    proposal is never selected, unless the video had only one.

    Args:
        proposals: from :func:`score`.
        settings: the published ones by default.

    Returns:
        At most ``max_proposals`` per video, with their decayed scores.
    """
    selectable = np.where(proposals.counts > 1, proposals.counts - 1, proposals.counts)
    counts = np.minimum(selectable, settings.max_proposals)
    kept = np.zeros((3, len(counts), counts.max(initial=0)))
    order = np.argsort(proposals.counts, kind="stable")  # batches of similar counts need little padding
    for low in range(0, len(order), SUPPRESSED_TOGETHER):
        videos = order[low : low + SUPPRESSED_TOGETHER]
        selected = _select(proposals, videos, counts[videos].max(), settings)
        selected[:, np.arange(selected.shape[2]) >= counts[videos, None]] = 0
        kept[:, videos, : selected.shape[2]] = selected
    starts, ends, scores = kept
    return Proposals(starts, ends, scores, counts)


def _select(proposals: Proposals, videos: NDArray[np.intp], steps: int, settings: ProposalSettings) -> Floats:
    """``[3, video, step]``: starts, ends and scores in the order of selection.

    Scores only decrease. So while the best score within the first ``reach`` proposals is not below the initial score of
    the next one, nothing beyond can be selected (ties go to the earlier one) and only these are considered. When it
    falls below, more are added after catching up, in order, on the decays that they missed.
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
    """Proposals ``[video, proposal]`` with decaying scores; -1 marks those selected, and padding."""

    def __init__(self, starts: Floats, ends: Floats, scores: Floats) -> None:
        self.starts, self.ends, self.scores = map(np.ascontiguousarray, (starts, ends, scores))
        # Used by the prefilter of decay(), which never passes a proposal that ends at minus infinity.
        self._starts = self.starts.astype(np.float32)
        self._ends = np.where(scores < 0, -np.inf, ends).astype(np.float32)
        self._widths = (ends - starts).astype(np.float32)
        self._slack = 1e-6 * ends.max(initial=1.0)
        self._buffers = np.empty((2, *scores.shape), np.float32)
        self._near = np.empty(scores.shape, np.bool_)

    def best(self) -> NDArray[np.intp]:
        """``[video]``: the flat index of each video's best proposal."""
        rows, width = self.scores.shape
        flat: NDArray[np.intp] = self.scores.argmax(axis=1) + np.arange(0, rows * width, width)
        return flat

    def take(self, at: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
        """Remove one proposal of each video and return its start, end and score, each ``[video]``."""
        taken = self.starts.take(at), self.ends.take(at), self.scores.take(at)
        self.scores.put(at, -1.0)
        self._ends.put(at, -np.inf)
        return taken

    def decay(self, start: Floats, end: Floats, settings: ProposalSettings) -> None:
        """Decay the scores of the proposals that overlap the selected segments, one per video, too much."""
        width = end - start
        threshold = settings.low_threshold + (settings.high_threshold - settings.low_threshold) * width

        # tIoU > threshold  <=>  intersection > share · (sum of the two widths). Few proposals pass, so they are
        # prefiltered in float32 (rounding is below the slack, so none is lost) and decided in float64, as published.
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
        # Not the tIoU of bmn.metrics: the published order of operations decides which side of the threshold it is on.
        intersection = np.maximum(np.minimum(ends, end) - np.maximum(starts, start), 0.0)
        overlap = intersection / (ends - starts - intersection + end - start)
        factor = np.where(overlap > threshold[video], np.exp(-np.square(overlap) / settings.alpha), 1.0)
        self.scores.put(near, scores * factor)


def _column(values: Floats) -> Float32s:
    return values.astype(np.float32)[:, None]


def results(rows: Floats) -> list[Result]:
    """One video's proposals, ``[proposal, 3]`` (start and end in seconds, score), in ActivityNet's result format."""
    return [{"score": score, "segment": [start, end]} for start, end, score in rows.tolist()]
