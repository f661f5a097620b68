"""From the network's three outputs to the best scored segments of each video: decoding and Soft-NMS.

Everything works on a batch of videos at once and gives what the published one-video loops give, bit for bit.
Source: Lin et al., arXiv 1907.09702, section 4.3 (proposal generation, score fusion, Soft-NMS); where the paper leaves
a choice open, the behaviour of PaddleVideo's ``BMNMetric``.
"""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from bmn.errors import BmnError

Floats = NDArray[np.float64]

CHUNK = 128  # videos suppressed together: enough to hide the calls, few enough to stay in the cache
REACH = 512  # candidates of a video looked at before the rest is needed


@dataclass(frozen=True)
class Proposals:
    """The proposals of a batch of videos: one row a video, best first, zeros after the last one.

    Attributes:
        starts: ``[video, proposal]``, in lengths of the video (0 is its begin, 1 its end), or of the window
            where windows of a long video were merged.
        ends: ``[video, proposal]``, in the same unit.
        scores: ``[video, proposal]``, never negative, never rising along a row.
        counts: ``[video]``, how many proposals each row holds.
    """

    starts: Floats
    ends: Floats
    scores: Floats
    counts: NDArray[np.intp]


@dataclass(frozen=True)
class SoftNMS:
    """How overlapping proposals are suppressed; the defaults are the published ones.

    Attributes:
        alpha: a score decays by exp(-tIoU² / alpha); greater than 0.
        low_threshold: the tIoU above which it decays, for a selected proposal of no width; 0 or more.
        high_threshold: the same for one as long as the video (the window); linear between; 0 or more.
        max_proposals: how many are kept a video; 1 or more.
    """

    alpha: float = 0.4
    low_threshold: float = 0.55
    high_threshold: float = 0.9
    max_proposals: int = 100


class Result(TypedDict):
    """One proposal in ActivityNet's result form; ``segment`` is [start, end] in seconds."""

    score: float
    segment: list[float]


def decode(confidence_map: NDArray[np.float32], start: NDArray[np.float32], end: NDArray[np.float32]) -> Proposals:
    """Pair the likely starts with the likely ends and score each pair.

    A snippet is a likely boundary where its probability is above half of the video's maximum or above both
    neighbours (beyond the ends: 0). The first start and the last end always count. Each likely start t makes a
    candidate with each likely end t + d, d < D: the segment [t / T, (t + d + 1) / T], scored start probability ·
    end probability · regression · classification in float32. Equal scores keep the order of (d, t).

    Args:
        confidence_map: ``[video, 2, D, T]``, regression and classification; only cells with d + t < T are read.
        start: ``[video, T]``, start probabilities.
        end: ``[video, T]``, end probabilities.

    Raises:
        BmnError: a probability or a score is NaN or negative.
    """
    videos, _, dscale, tscale = confidence_map.shape
    duration, first = np.nonzero(np.add.outer(np.arange(dscale), np.arange(tscale)) < tscale)
    last = first + duration
    starts, ends = _likely(start), _likely(end)
    starts[:, 0] = ends[:, -1] = True
    candidates = starts[:, first] & ends[:, last]
    counts = np.count_nonzero(candidates, axis=1)

    video, cell = np.nonzero(candidates)
    regression, classification = confidence_map[:, 0], confidence_map[:, 1]
    at = video, duration[cell], first[cell]
    score = start[video, first[cell]] * end[video, last[cell]] * (regression[at] * classification[at])
    if not ((start >= 0).all() and (end >= 0).all() and (score >= 0).all()):
        raise BmnError(
            "the network's output holds NaN or negative probabilities; check the features and the training's loss"
        )

    # The bits of a float that is not negative order as the float does. With the bits, inverted, above the cell's
    # number in one integer, a plain sort (several times faster than a stable argsort) is a stable one, best first.
    low = np.uint64(32)
    key = (~(score + np.float32(0)).view(np.uint32)).astype(np.uint64) << low | cell.astype(np.uint64)
    held = np.arange(counts.max(initial=0)) < counts[:, None]
    keys = np.full(held.shape, np.iinfo(np.uint64).max)
    keys[held] = key
    keys.sort(axis=1)
    key = keys[held]
    cell = (key & np.uint64(0xFFFFFFFF)).astype(np.intp)
    snippet = 1.0 / tscale  # multiplied, not divided by T: as published, to the last bit
    rows = np.zeros((3, *held.shape))
    rows[0][held] = first[cell] * snippet
    rows[1][held] = (last[cell] + 1) * snippet
    rows[2][held] = (~(key >> low).astype(np.uint32)).view(np.float32)
    return Proposals(*rows, counts)


def _likely(probability: NDArray[np.float32]) -> NDArray[np.bool_]:
    """``[video, T]``: where a boundary is likely."""
    padded = np.pad(probability, ((0, 0), (1, 1)))
    peak = (probability > padded[:, :-2]) & (probability > padded[:, 2:])
    return peak | (probability > probability.max(axis=1, keepdims=True) * np.float32(0.5))


def soft_nms(candidates: Proposals, settings: SoftNMS = SoftNMS()) -> Proposals:
    """Select the best candidate of each video again and again, decaying the scores of those it overlaps.

    After each selection every remaining candidate whose tIoU with the selected one is above
    low_threshold + (high_threshold - low_threshold) · width of the selected one has its score multiplied by
    exp(-tIoU² / alpha). Equal scores: the candidate that came first in ``candidates`` wins. As published, the last
    remaining candidate is never selected, unless it is the only one that the video had.

    Args:
        candidates: from :func:`decode`, of whole videos or merged from windows.
        settings: the published ones by default.

    Returns:
        At most ``max_proposals`` a video, with their decayed scores.
    """
    counts = np.minimum(np.where(candidates.counts > 1, candidates.counts - 1, candidates.counts), settings.max_proposals)
    kept = np.zeros((3, len(counts), counts.max(initial=0)))
    order = np.argsort(candidates.counts, kind="stable")  # neighbours of like length waste little padding
    for low in range(0, len(order), CHUNK):
        videos = order[low : low + CHUNK]
        selected = _select(candidates, videos, counts[videos].max(), settings)
        selected[:, np.arange(selected.shape[2]) >= counts[videos, None]] = 0
        kept[:, videos, : selected.shape[2]] = selected
    return Proposals(*kept, counts)


def _select(candidates: Proposals, videos: NDArray[np.intp], steps: int, settings: SoftNMS) -> Floats:
    """``[3, video, step]``: starts, ends and scores in the order of selection.

    A score never rises. So while the best score within the first candidates of a row is not below the score with
    which the first one beyond them began, nothing beyond can be selected (equal scores: the earlier one wins), and
    nothing beyond is looked at. When it falls below, twice as many are taken in, and what they missed is caught up.
    """
    counts = candidates.counts[videos]
    width = counts.max(initial=0)
    starts, ends = candidates.starts[videos, :width], candidates.ends[videos, :width]
    scores = np.where(np.arange(width) < counts[:, None], candidates.scores[videos, :width], -1.0)

    selected = np.empty((3, len(videos), steps))
    reach = min(REACH, width)
    within = _Candidates(starts[:, :reach], ends[:, :reach], scores[:, :reach])
    for step in range(steps):
        best = within.scores.max(axis=1)
        while reach < width and (best < scores[:, reach]).any():
            beyond = slice(reach, min(2 * reach, width))
            later = _Candidates(starts[:, beyond], ends[:, beyond], scores[:, beyond])
            for past in range(step):
                later.decay(*selected[:2, :, past], settings)
            reach = beyond.stop
            joined = np.concatenate([within.scores, later.scores], axis=1)
            within = _Candidates(starts[:, :reach], ends[:, :reach], joined)
            best = within.scores.max(axis=1)
        selected[:, :, step] = within.take_best()
        within.decay(*selected[:2, :, step], settings)
    return selected


class _Candidates:
    """Candidates ``[video, candidate]`` whose scores decay; a score of -1 marks one that is gone or never was."""

    def __init__(self, starts: Floats, ends: Floats, scores: Floats) -> None:
        self.starts, self.ends, self.scores = map(np.ascontiguousarray, (starts, ends, scores))
        self._starts = self.starts.astype(np.float32)
        self._ends = np.where(scores < 0, -np.inf, ends).astype(np.float32)
        self._widths = (ends - starts).astype(np.float32)
        self._slack = 1e-6 * ends.max(initial=1.0)

    def take_best(self) -> tuple[Floats, Floats, Floats]:
        """Remove the best candidate of each video; return its start, end and score, each ``[video]``."""
        rows, width = self.scores.shape
        best = self.scores.argmax(axis=1) + np.arange(0, rows * width, width)
        taken = self.starts.take(best), self.ends.take(best), self.scores.take(best)
        self.scores.put(best, -1.0)
        self._ends.put(best, -np.inf)
        return taken

    def decay(self, start: Floats, end: Floats, settings: SoftNMS) -> None:
        """Decay the scores of the candidates that overlap the selected segments, one a video, too much."""
        width = end - start
        threshold = settings.low_threshold + (settings.high_threshold - settings.low_threshold) * width

        # tIoU > threshold  <=>  intersection > share · (the two widths). Few pass, so float32 sieves them first: its
        # rounding is below the slack, so none is lost; those that pass are computed exactly as published.
        share = threshold / (1 + threshold)
        least = self._widths * _column(share) + _column(share * width - self._slack)
        shared = np.minimum(self._ends, _column(end)) - np.maximum(self._starts, _column(start))
        near = np.flatnonzero(shared > least)
        video = near // self.scores.shape[1]

        start, end = start[video], end[video]
        starts, ends, scores = self.starts.take(near), self.ends.take(near), self.scores.take(near)
        intersection = np.maximum(np.minimum(ends, end) - np.maximum(starts, start), 0.0)
        tiou = intersection / (ends - starts - intersection + end - start)
        factor = np.where(tiou > threshold[video], np.exp(-np.square(tiou) / settings.alpha), 1.0)
        self.scores.put(near, scores * factor)


def _column(values: Floats) -> NDArray[np.float32]:
    return values.astype(np.float32)[:, None]


def in_seconds(proposals: Proposals, durations: Floats, unit: Floats | None = None) -> list[Floats]:
    """The proposals of each video as rows (start, end, score), seconds, best first, cut to the video.

    Args:
        proposals: of a batch of videos.
        durations: ``[video]``, seconds.
        unit: ``[video]``, how many seconds one unit of ``proposals`` lasts; the duration where not given.
    """
    unit = durations if unit is None else unit
    starts = np.maximum(0.0, proposals.starts * unit[:, None])
    ends = np.minimum(durations[:, None], proposals.ends * unit[:, None])
    rows = np.stack([starts, ends, proposals.scores], axis=2)
    return [row[:count] for row, count in zip(rows, proposals.counts, strict=True)]


def results(rows: Floats) -> list[Result]:
    """The proposals of one video, ``[proposal, 3]`` as from :func:`in_seconds`, in ActivityNet's result form."""
    return [{"score": score, "segment": [start, end]} for start, end, score in rows.tolist()]
