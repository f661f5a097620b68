"""The published side of each comparison: the tests' oracles, or other versions where those are too slow or too fast.

Oracles are written to be obvious. Where that makes one slower than the code people run (PaddleVideo's pipeline and
metric, ActivityNet's evaluator), the version here is vectorised like the published code, so that no ratio flatters
ours. The oracle for the sampling matrix is faster than the published code, so that is reproduced here too.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from oracles.evaluation import recalls
from oracles.network import network_matrix, published_forward, sampling_matrix
from oracles.proposals import decode, soft_nms

__all__ = [
    "decode",
    "evaluate",
    "label_maps",
    "matrix_by_bins",
    "network_matrix",
    "published_forward",
    "sampling_matrix",
    "soft_nms",
]

Floats = NDArray[np.float64]
Labels = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def matrix_by_bins(
    tscale: int, dscale: int, num_sample: int, num_sample_perbin: int, prop_boundary_ratio: float
) -> NDArray[np.float32]:
    """The sampling matrix ``[snippet, bin, duration, start]`` as published: one vector per bin, then stacked."""
    points = num_sample * num_sample_perbin

    def cell(duration: int, start: int) -> Floats:
        context = (duration + 1.0) * prop_boundary_ratio
        first, last = start - context, start + duration + context
        distance = (last - first) / (points - 1.0)
        bins = []
        for number in range(num_sample):
            weights = np.zeros([tscale])
            for point in range(number * num_sample_perbin, (number + 1) * num_sample_perbin):
                share, lower = math.modf(first + distance * point)
                upper = math.ceil(first + distance * point)
                if 0 <= int(lower) < tscale:
                    weights[int(lower)] += 1 - share
                if 0 <= upper < tscale:
                    weights[upper] += share
            bins.append(weights / num_sample_perbin)
        return np.stack(bins, axis=1)

    nothing = np.zeros([tscale, num_sample])
    columns = [
        np.stack([cell(d, t) if t + d < tscale else nothing for d in range(dscale)], axis=2) for t in range(tscale)
    ]
    return np.stack(columns, axis=3).astype(np.float32)


def label_maps(segments: Floats, tscale: int, dscale: int) -> Labels:
    """One video's labels computed like PaddleVideo's pipeline: new cells for each video, vectorised per segment.

    Args:
        segments: ``[segment, 2]``, fractions of the video.

    Returns:
        ``gt_iou_map [dscale, tscale]``, ``gt_start [tscale]``, ``gt_end [tscale]``.
    """
    gap = 1.0 / tscale
    cells = [[[gap * t, gap * t + gap * d] for d in range(1, dscale + 1)] for t in range(tscale)]
    left, right = np.reshape(np.transpose(np.array(cells), [1, 0, 2]), [-1, 2]).T
    maps = []
    for start, end in segments:
        overlap = np.maximum(np.minimum(right, end) - np.maximum(left, start), 0.0)
        maps.append(np.divide(overlap, (right - left) - overlap + end - start).reshape(dscale, tscale))

    def near(boundary: Floats) -> NDArray[np.float32]:
        low, high = boundary - 3 * gap / 2, boundary + 3 * gap / 2
        scores = []
        for t in range(tscale):
            first, last = gap * t, gap * (t + 1)
            overlap = np.maximum(np.minimum(last, high) - np.maximum(first, low), 0.0)
            scores.append(np.max(np.divide(overlap, last - first)))
        return np.array(scores).astype(np.float32)

    iou_map = np.max(np.array(maps), axis=0).astype(np.float32)
    return iou_map, near(segments[:, 0]), near(segments[:, 1])


def evaluate(ground_truth: Sequence[Floats], proposals: Sequence[Floats]) -> float:
    """The AUC in percent computed like the official evaluator, without its tables of videos, which only add time.

    Args:
        ground_truth: ``[segment, 2]`` of each video.
        proposals: ``[proposal, 3]`` (start, end, score) of each video, the same number for all.
    """
    tious = []
    for segments, rows in zip(ground_truth, proposals, strict=True):
        ordered = rows[rows[:, 2].argsort()[::-1], :2]
        tiou = np.empty((len(segments), len(ordered)))
        for column, (start, end) in enumerate(ordered):
            shared = np.minimum(end, segments[:, 1]) - np.maximum(start, segments[:, 0])
            shared = shared.clip(0)
            tiou[:, column] = shared / ((segments[:, 1] - segments[:, 0]) + (end - start) - shared)
        tious.append(tiou)
    share = np.arange(1, 101) / 100.0 * (100.0 / len(proposals[0]))
    _, _, area = recalls(tious, np.linspace(0.5, 0.95, 10), share, share * len(proposals[0]))
    return float(area)
