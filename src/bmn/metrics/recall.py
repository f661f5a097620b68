"""AR@AN and AUC, as computed by ActivityNet's official evaluator.

These are the metrics of the challenge's proposal task (arXiv 1907.09702, section 5.1), vectorized over all videos,
proposals and tIoU thresholds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.base.errors import BmnError
from bmn.metrics.tiou import tiou

Floats = NDArray[np.float64]

TIOU_THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
AVERAGE_NUMBERS = np.arange(1, 101)  # AN: average number of proposals per video

BLOCK = 2**18  # pairs of a segment and a proposal matched at once, to bound memory


@dataclass(frozen=True)
class Recall:
    """How many of a subset's annotated segments its proposals recall.

    Attributes:
        met: ``[video, tIoU, AN]``, the number of a video's segments that are recalled, at ``TIOU_THRESHOLDS`` and
            AN = 1 … 100; videos in the order of ``best_tiou``.
        best_tiou: for each video with segments, ``[segment]``: the highest tIoU of any proposal at AN = 100, in the
            order of the ground truth.
    """

    met: NDArray[np.int32]
    best_tiou: dict[str, Floats]

    @property
    def segments(self) -> NDArray[np.intp]:
        """``[video]``: the number of segments of each."""
        return np.array([len(best) for best in self.best_tiou.values()])

    @property
    def recall(self) -> Floats:
        """``[tIoU, AN]``: the fraction of segments that are recalled."""
        recall: Floats = self.met.sum(axis=0) / self.segments.sum()
        return recall

    @property
    def average_recall(self) -> Floats:
        """``[AN]``: the recall averaged over the tIoU thresholds, as a fraction."""
        average: Floats = self.recall.mean(axis=0)
        return average

    def ar_at(self, number: int) -> float:
        """AR@``number`` in percent, for an average of 1 … 100 proposals per video."""
        return 100 * float(self.average_recall[number - 1])

    @property
    def auc(self) -> float:
        """The area under AR over AN from 1 to 100, in percent of 100 (so that perfect proposals reach 99)."""
        average = self.average_recall
        return 100 * float(((average[1:] + average[:-1]) / 2).sum() / AVERAGE_NUMBERS[-1])

    @property
    def areas(self) -> Floats:
        """``[video]``: each video's part of the AUC, which is 100 times their sum divided by that of ``segments``."""
        met = self.met.mean(axis=1)
        areas: Floats = ((met[:, 1:] + met[:, :-1]) / 2).sum(axis=1) / AVERAGE_NUMBERS[-1]
        return areas

    def headline(self) -> dict[str, float]:
        """The usual metrics, in percent: AR@1, AR@5, AR@10, AR@100 and AUC."""
        return {f"AR@{number}": self.ar_at(number) for number in (1, 5, 10, 100)} | {"AUC": self.auc}


def proposal_recall(ground_truth: Mapping[str, ArrayLike], proposals: Mapping[str, ArrayLike]) -> Recall:
    """Match the proposals of one subset with its annotated segments.

    As in the official evaluator, AN is an average over videos: every video keeps the same fraction of its proposals,
    the best ones, rounded down. The fraction counts all proposals given, including those of videos without segments or
    not in the ground truth. A video without proposals recalls nothing. Ties keep the order given (the official order is
    arbitrary). Where the evaluator would divide by zero, because no proposals are given or kept, the recall is 0.

    Args:
        ground_truth: video → ``[segment, 2]`` (start, end), in seconds; videos without segments are ignored.
        proposals: video → ``[proposal, 3]`` (start, end, score), in seconds, in any order.

    Raises:
        BmnError: the ground truth has no segments.
    """
    truth, given = _not_empty(ground_truth), _not_empty(proposals)
    if not truth:
        raise BmnError(
            f"no segments in the {len(ground_truth)} videos to evaluate on; check the subset's name and its annotations"
        )
    most = float(AVERAGE_NUMBERS[-1] * len(truth))
    ratio = most / max(sum(map(len, given.values())), 1)
    granted = [_best(given[video], ratio) if video in given else np.empty((0, 3)) for video in truth]

    segments = np.concatenate(list(truth.values()))
    owner = np.repeat(np.arange(len(truth)), [len(of_video) for of_video in truth.values()])
    counts = np.array([len(rows) for rows in granted])
    rank, best_tiou = _first_matches(segments, owner, np.concatenate(granted), counts)

    # In the evaluator's order of operations: 0.29 · 100 is 28.999…, so 28 proposals are kept.
    share = AVERAGE_NUMBERS / 100.0 * (most / max(counts.sum(), 1))
    number = np.minimum((counts[:, None] * share).astype(np.intp), counts[:, None])[owner]
    firsts = np.flatnonzero(np.diff(owner, prepend=-1))  # each video's first segment
    met = [np.add.reduceat(first[:, None] < number, firsts, axis=0, dtype=np.int32) for first in rank.T]
    by_video = np.split(best_tiou, firsts[1:])
    return Recall(np.stack(met, axis=1), dict(zip(truth, by_video, strict=True)))


def _not_empty(videos: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    return {video: rows for video, given in videos.items() if len(rows := np.asarray(given, np.float64))}


def _best(rows: Floats, ratio: float) -> Floats:
    """The proposals that a video keeps at the greatest AN, best first."""
    order = np.argsort(-rows[:, 2], kind="stable")
    return rows[order[: int(len(rows) * ratio)]]


def _first_matches(
    segments: Floats, owner: NDArray[np.intp], proposals: Floats, counts: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Floats]:
    """Find the rank of the first match of each segment among its video's proposals.

    Args:
        segments: ``[segment, 2]``.
        owner: ``[segment]``, the index of its video.
        proposals: ``[proposal, 3]``, video by video, best first within each.
        counts: ``[video]``, the number of proposals of each.

    Returns:
        ``[segment, tIoU]``: the rank (from 0) of the first proposal whose tIoU reaches the threshold, or the largest
        count if none does; and ``[segment]``: the highest tIoU.
    """
    rank = np.full((len(segments), len(TIOU_THRESHOLDS)), counts.max())
    best = np.zeros(len(segments))
    offset = np.cumsum(counts) - counts
    order = np.argsort(-counts[owner], kind="stable")  # blocks of similar counts need little padding
    low = 0
    while low < len(order) and (width := counts[owner[order[low]]]):
        block = order[low : low + max(1, BLOCK // width)]
        low += len(block)
        video = owner[block]
        place = np.arange(width)
        own = place < counts[video, None]
        start, end = proposals.T[:2, np.where(own, offset[video, None] + place, 0)]
        overlap = np.where(own, tiou(segments[block, 0, None], segments[block, 1, None], start, end), 0.0)
        best[block] = overlap.max(axis=1)
        for column, threshold in enumerate(TIOU_THRESHOLDS):
            found = block[best[block] >= threshold]
            rank[found, column] = (overlap[best[block] >= threshold] >= threshold).argmax(axis=1)
    return rank, best
