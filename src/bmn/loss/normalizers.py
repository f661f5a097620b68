"""The divisors of the losses: counts over the global batch, which depend only on its labels and random numbers.

They are computed before the network runs, so that a batch can be split into any parts over any number of processes.
"""

from collections.abc import Callable
from typing import NamedTuple

from bmn.model.paddle import Tensor, paddle

Labels = tuple[Tensor, ...]
"""tIoU map ``[batch, duration, start]``, start and end labels ``[batch, snippet]``, all in [0, 1]; then, for the
scale-invariant loss, its weights ``[batch, duration, start]`` (:func:`bmn.loss.labels.label_maps`)."""

HIT = 0.9  # tIoU above which a cell is a hit in the classification loss
NO_CELL = 1e-30  # replaces a zero divisor: 0 / NO_CELL is 0, n / NO_CELL is practically infinite


class Normalizers(NamedTuple):
    """Counts over the global batch, scalars of the labels' dtype.

    Attributes:
        starts, other_starts: snippets whose start label is above 0.5, and the others.
        ends, other_ends: snippets whose end label is above 0.5, and the others.
        hits, misses: valid cells with a tIoU above 0.9, and the other valid cells.
        high, middle, low: valid cells with a tIoU in (0.7, 1], (0.3, 0.7] and [0, 0.3].
        sampled: the sum of :func:`sampling_weights`.
    """

    starts: Tensor
    other_starts: Tensor
    ends: Tensor
    other_ends: Tensor
    hits: Tensor
    misses: Tensor
    high: Tensor
    middle: Tensor
    low: Tensor
    sampled: Tensor


def alone(total: Tensor) -> Tensor:
    """The sum over a single process: the tensor itself."""
    return total


def normalizers(labels: Labels, uniform: Tensor, all_sum: Callable[[Tensor], Tensor] = alone) -> Normalizers:
    """Compute the divisors of the losses.

    Counts are summed as 64-bit integers, exact at any size, and rounded once to the labels' dtype. Two sums over the
    processes are needed, because which cells are sampled depends on the counts of each level in the whole batch.

    Args:
        labels: of this process's share of the batch.
        uniform: see :func:`sampling_weights`.
        all_sum: sums a tensor over the processes that share the batch.
    """
    gt_iou_map, gt_start, gt_end = labels[:3]
    gt_iou_map = gt_iou_map * valid_cells(gt_iou_map)
    start, end, hit = positive(gt_start), positive(gt_end), positive(gt_iou_map, HIT)
    entries = (start, 1 - start, end, 1 - end, hit, valid_cells(gt_iou_map) - hit, *levels(gt_iou_map))
    counts = all_sum(paddle.stack([count.sum(dtype="int64") for count in entries])).astype(gt_iou_map.dtype).unbind()
    sampled = all_sum(sampling_weights(gt_iou_map, uniform, *counts[-3:]).sum(dtype="int64"))
    return Normalizers._make([*counts, sampled.astype(gt_iou_map.dtype)])


def positive(label: Tensor, threshold: float = 0.5) -> Tensor:
    """1 where a label is above a threshold, else 0; shape and dtype of ``label``."""
    return (label > threshold).astype(label.dtype)


def levels(gt_iou_map: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """0/1 masks of the valid cells with a high, middle and low tIoU; shape and dtype of ``gt_iou_map``.

    Args:
        gt_iou_map: labels ``[batch, duration, start]``, 0 outside the triangle of valid cells.
    """
    valid = valid_cells(gt_iou_map)
    high = positive(gt_iou_map, 0.7)
    low = (gt_iou_map <= 0.3).astype(gt_iou_map.dtype) * valid
    return high, valid - high - low, low


def sampling_weights(gt_iou_map: Tensor, uniform: Tensor, high: Tensor, middle: Tensor, low: Tensor) -> Tensor:
    """The weight of every cell in the regression loss: 0 to 3, shape and dtype of ``gt_iou_map``.

    All cells of the high level count, and in expectation as many of the middle and of the low level, chosen at random.
    As published, a level with fewer cells than the high one has a negative threshold, so that every cell of the map
    gets that level's weight. Without cells of the high level nothing is sampled.

    Args:
        gt_iou_map: labels ``[batch, duration, start]``, 0 outside the triangle of valid cells.
        uniform: random numbers in [0, 1) ``[2, duration, start]``, for the middle and low levels, shared by the batch.
        high, middle, low: cells of each level in the global batch (:class:`Normalizers`).
    """
    weights, *others = levels(gt_iou_map)
    for level, count, draw in zip(others, (middle, low), uniform, strict=True):
        ratio = high / count.clip(min=NO_CELL)
        weights = weights + (level * draw > 1.0 - ratio).astype(gt_iou_map.dtype)
    return weights


def valid_cells(maps: Tensor) -> Tensor:
    """1 where a proposal ends inside the video (start + duration < tscale), else 0; shape and dtype of ``maps``."""
    duration, start = paddle.arange(maps.shape[1]), paddle.arange(maps.shape[2])
    inside = duration.unsqueeze(1) + start.unsqueeze(0) < maps.shape[2]
    return inside.astype(maps.dtype).expand_as(maps)
