"""Where recall is lost: by the length of a segment, by how many a video has, and what the proposals do wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.metrics.recall import TIOU_THRESHOLDS, Recall
from bmn.metrics.tiou import tiou

Floats = NDArray[np.float64]

LENGTHS = (0.0, 0.05, 0.1, 0.2, 0.4, 1.0)  # of a segment, as a fraction of its video
NUMBERS = (1, 2, 4, 8)  # of segments in a video: 1, 2–3, 4–7, 8 and more
FOUND, TOUCHED = 0.5, 0.1  # tIoU from which a segment counts as found, and a proposal as near one
KINDS = ("hit", "duplicate", "badly localised", "background")
RANKS = 20


@dataclass(frozen=True)
class Part:
    """Some of the segments.

    Attributes:
        name: which.
        segments: how many.
        average_recall: AR@100 in percent; None without segments.
        missed: in percent, those that no proposal comes near (tIoU below 0.1); None without segments.
        badly_localised: in percent, those that are met by none but come near (tIoU from 0.1 to 0.5).
    """

    name: str
    segments: int
    average_recall: float | None
    missed: float | None
    badly_localised: float | None


def by_length(recall: Recall, ground_truth: Mapping[str, ArrayLike], durations: Mapping[str, float]) -> list[Part]:
    """The segments in groups of length.

    Args:
        ground_truth: what ``recall`` was computed on: video → ``[segment, 2]``, seconds.
        durations: video → seconds.
    """
    lengths = np.concatenate(
        [np.diff(np.asarray(ground_truth[video]), axis=1)[:, 0] / durations[video] for video in recall.best_tiou]
    )
    group = np.clip(np.searchsorted(LENGTHS, lengths, side="left") - 1, 0, len(LENGTHS) - 2)
    names = [f"{100 * low:.0f}–{100 * high:.0f} %" for low, high in pairwise(LENGTHS)]
    return _parts(recall, group, names)


def by_number(recall: Recall) -> list[Part]:
    """The segments in groups of how many their video has."""
    group = np.searchsorted(NUMBERS, np.repeat(recall.segments, recall.segments), side="right") - 1
    ranges = zip(NUMBERS, [after - 1 for after in NUMBERS[1:]], strict=False)
    names = [str(low) if low == high else f"{low}–{high}" for low, high in ranges]
    return _parts(recall, group, [*names, f"{NUMBERS[-1]} and more"])


def _parts(recall: Recall, group: NDArray[np.intp], names: Sequence[str]) -> list[Part]:
    best = np.concatenate(list(recall.best_tiou.values()))
    parts = []
    for number, name in enumerate(names):
        of_part = best[group == number]
        if not len(of_part):
            parts.append(Part(name, 0, None, None, None))
            continue
        missed, found = of_part < TOUCHED, of_part >= FOUND
        average = float((of_part[:, None] >= TIOU_THRESHOLDS).mean())
        shares = (average, float(missed.mean()), float((~missed & ~found).mean()))
        parts.append(Part(name, len(of_part), *(100 * share for share in shares)))
    return parts


def what_proposals_are(ground_truth: Mapping[str, ArrayLike], proposals: Mapping[str, ArrayLike]) -> Floats:
    """What the first proposals of the videos are, by rank.

    A proposal with a tIoU of 0.5 or more with a segment is a hit, or a duplicate where a better ranked one hit each of
    these segments already; from 0.1 on it is badly localised; otherwise background.

    Args:
        ground_truth: video → ``[segment, 2]``, seconds; videos without segments count too.
        proposals: video → ``[proposal, 3]`` (start, end, score).

    Returns:
        ``[rank, kind]``: the share of ``KINDS`` among the proposals of each of the first 20 ranks; zeros where no video
        has so many.
    """
    counts = np.zeros((RANKS, len(KINDS)))
    for video, segments in ground_truth.items():
        rows = np.asarray(proposals.get(video, []), np.float64).reshape(-1, 3)
        rows = rows[np.argsort(-rows[:, 2], kind="stable")][:RANKS]
        starts, ends = np.asarray(segments, np.float64).reshape(-1, 2).T
        hit = np.zeros(len(starts), bool)
        for rank, own in enumerate(tiou(rows[:, 0, None], rows[:, 1, None], starts, ends)):
            close = own >= FOUND
            if (close & ~hit).any():
                hit[np.where(close & ~hit, own, -1).argmax()] = True
                kind = 0
            else:
                kind = 1 if close.any() else 2 if own.max(initial=0) >= TOUCHED else 3
            counts[rank, kind] += 1
    shares: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares
