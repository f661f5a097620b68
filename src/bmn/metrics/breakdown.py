"""Where recall is lost: by segment length, by segments per video, and by kind of error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.metrics.recall import TIOU_THRESHOLDS, Recall
from bmn.metrics.tiou import tiou

Floats = NDArray[np.float64]

LENGTHS = (0.0, 0.05, 0.1, 0.2, 0.4, 1.0)  # of a segment, as a fraction of its video
NUMBERS = (1, 2, 4, 8)  # of segments in a video: 1, 2–3, 4–7, 8 or more
FOUND, TOUCHED = 0.5, 0.1  # tIoU from which a segment counts as found, and a proposal as near one
KINDS = ("hit", "duplicate", "badly localised", "background")
RANKS = 20


@dataclass(frozen=True)
class Part:
    """A group of segments.

    Attributes:
        name: of the group.
        segments: their number.
        average_recall: AR@100 in percent; None without segments.
        missed: percentage that no proposal comes near (best tIoU below 0.1); None without segments.
        badly_localised: percentage with a best tIoU from 0.1 to 0.5; None without segments.
    """

    name: str
    segments: int
    average_recall: float | None
    missed: float | None
    badly_localised: float | None


def by_length(recall: Recall, ground_truth: Mapping[str, ArrayLike], durations: Mapping[str, float]) -> list[Part]:
    """The segments, grouped by length.

    Args:
        ground_truth: that ``recall`` was computed on: video → ``[segment, 2]``, in seconds.
        durations: video → seconds.
    """
    lengths = np.concatenate(
        [np.diff(np.asarray(ground_truth[video]), axis=1)[:, 0] / durations[video] for video in recall.best_tiou]
    )
    group = np.clip(np.searchsorted(LENGTHS, lengths, side="left") - 1, 0, len(LENGTHS) - 2)
    names = [f"{100 * low:.0f}–{100 * high:.0f} %" for low, high in pairwise(LENGTHS)]
    return _parts(recall, group, names)


def by_number(recall: Recall) -> list[Part]:
    """The segments, grouped by the number of segments in their video."""
    group = np.searchsorted(NUMBERS, np.repeat(recall.segments, recall.segments), side="right") - 1
    ranges = zip(NUMBERS, [after - 1 for after in NUMBERS[1:]], strict=False)
    names = [str(low) if low == high else f"{low}–{high}" for low, high in ranges]
    return _parts(recall, group, [*names, f"{NUMBERS[-1]} or more"])


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
    """Classify the top proposals of the videos, by rank.

    A proposal with a tIoU of at least 0.5 with a segment is a hit, or a duplicate if better ones have already hit all
    such segments; with at least 0.1 it is badly localised; otherwise it is background.

    Args:
        ground_truth: video → ``[segment, 2]``, in seconds; videos without segments count too.
        proposals: video → ``[proposal, 3]`` (start, end, score).

    Returns:
        ``[rank, kind]``: the fraction of each of ``KINDS`` at each of the first 20 ranks; zeros where no video has so
        many proposals.
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
