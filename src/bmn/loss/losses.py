"""The three losses of BMN (arXiv 1907.09702, section 3.4), over a global batch that may be spread over processes.

They equal PaddleVideo's ``BMNLoss`` wherever that is finite. Where it divides zero by zero, these stay finite:
the docstrings say how.
"""

from collections.abc import Callable
from typing import NamedTuple

from bmn.base.paddle import Tensor, paddle

LOG_EPSILON = 1e-6
NO_CELL = 1e-30  # stands for a count of zero in a divisor: 0 / NO_CELL is 0, n / NO_CELL is as good as infinite


class Losses(NamedTuple):
    """The weighted total and its parts, scalars without unit."""

    loss: Tensor
    tem_loss: Tensor
    pem_reg_loss: Tensor
    pem_cls_loss: Tensor


def alone(total: Tensor) -> Tensor:
    """The sum over processes when there is one: the tensor itself."""
    return total


def balanced_log_loss(
    score: Tensor, positive: Tensor, negative: Tensor, all_sum: Callable[[Tensor], Tensor] = alone
) -> Tensor:
    """Weighted binary logistic loss: half the mean over the positives plus half the mean over the negatives.

    This is the published ``coef_1 · mean(positive log score) + coef_0 · mean(negative log(1 − score))`` with
    the entries cancelled. A side without any member adds 0 (the published form gives NaN there).

    Args:
        score: probabilities in (0, 1), any shape.
        positive, negative: 0/1 masks of that shape; an entry in neither is left out.
        all_sum: sums a tensor over the processes that share the batch.
    """
    counts = all_sum(paddle.stack([positive.sum(), negative.sum()])).clip(min=1.0)
    log_positive = (paddle.log(score + LOG_EPSILON) * positive).sum()
    log_negative = (paddle.log(1.0 - score + LOG_EPSILON) * negative).sum()
    return -0.5 * (log_positive / counts[0] + log_negative / counts[1])


def tem_loss(
    start: Tensor,
    end: Tensor,
    gt_start: Tensor,
    gt_end: Tensor,
    all_sum: Callable[[Tensor], Tensor] = alone,
) -> Tensor:
    """Temporal evaluation: the balanced log loss of start and of end probabilities.

    Args:
        start, end: probabilities ``[batch, snippet]``.
        gt_start, gt_end: labels ``[batch, snippet]`` in [0, 1]; positive where above 0.5.
    """
    loss = 0.0
    for score, label in ((start, gt_start), (end, gt_end)):
        positive = (label > 0.5).astype(score.dtype)
        loss = loss + balanced_log_loss(score, positive, 1.0 - positive, all_sum)
    return loss


def pem_reg_loss(
    regression: Tensor,
    gt_iou_map: Tensor,
    uniform: Tensor,
    all_sum: Callable[[Tensor], Tensor] = alone,
) -> Tensor:
    """Proposal regression: squared error against the tIoU map, sampled to balance its levels.

    All cells with tIoU > 0.7 count; of those in (0.3, 0.7] and of the valid ones in [0, 0.3], as many as these
    in expectation, chosen by the uniform numbers. As published, a level that has fewer cells than the first
    makes its threshold negative, and then every cell of the map gets that level's weight.

    Without a cell above 0.7 nothing is sampled and the loss is 0 (the published form gives NaN).

    Args:
        regression: predicted tIoU ``[batch, duration, start]``.
        gt_iou_map: labels of that shape, 0 outside the triangle of valid cells.
        uniform: numbers in [0, 1) ``[2, duration, start]``, for the middle and the low level, shared by the batch.
    """
    valid = valid_cells(gt_iou_map)
    high = (gt_iou_map > 0.7).astype(regression.dtype)
    low = (gt_iou_map <= 0.3).astype(regression.dtype) * valid
    middle = valid - high - low
    counts = all_sum(paddle.stack([high.sum(), middle.sum(), low.sum()]))
    weights = high
    for level, count, draw in ((middle, counts[1], uniform[0]), (low, counts[2], uniform[1])):
        ratio = counts[0] / count.clip(min=NO_CELL)
        weights = weights + (level * draw > 1.0 - ratio).astype(regression.dtype)
    total_weight = all_sum(weights.sum()).clip(min=1.0)
    return 0.5 * (paddle.square(regression - gt_iou_map) * weights).sum() / total_weight


def pem_cls_loss(classification: Tensor, gt_iou_map: Tensor, all_sum: Callable[[Tensor], Tensor] = alone) -> Tensor:
    """Proposal classification: the balanced log loss over the valid cells, positive where tIoU > 0.9.

    Args:
        classification: predicted confidence ``[batch, duration, start]``.
        gt_iou_map: labels of that shape, 0 outside the triangle of valid cells.
    """
    positive = (gt_iou_map > 0.9).astype(classification.dtype)
    return balanced_log_loss(classification, positive, valid_cells(gt_iou_map) - positive, all_sum)


def bmn_loss(
    outputs: tuple[Tensor, Tensor, Tensor],
    labels: tuple[Tensor, Tensor, Tensor],
    uniform: Tensor,
    loss_weights: tuple[float, float, float] = (1.0, 10.0, 1.0),
    all_sum: Callable[[Tensor], Tensor] = alone,
) -> Losses:
    """The training objective: tem_loss + 10 · pem_reg_loss + pem_cls_loss by the published weights.

    Every divisor is a count over the global batch. With several processes each one's loss is its share: the
    shares, and their gradients, add up to those of one process that holds the whole batch.

    Args:
        outputs: confidence map ``[batch, 2, duration, start]`` (0 regression, 1 classification), start and end
            probabilities ``[batch, snippet]``.
        labels: tIoU map ``[batch, duration, start]``, start and end labels ``[batch, snippet]``.
        uniform: see :func:`pem_reg_loss`.
        loss_weights: of tem, pem_reg and pem_cls.
        all_sum: sums a tensor over the processes that share the batch.
    """
    confidence_map, start, end = outputs
    gt_iou_map, gt_start, gt_end = labels
    gt_iou_map = gt_iou_map * valid_cells(gt_iou_map)
    parts = (
        tem_loss(start, end, gt_start, gt_end, all_sum),
        pem_reg_loss(confidence_map[:, 0], gt_iou_map, uniform, all_sum),
        pem_cls_loss(confidence_map[:, 1], gt_iou_map, all_sum),
    )
    loss = sum(weight * part for weight, part in zip(loss_weights, parts, strict=True))
    return Losses(loss, *parts)


def valid_cells(maps: Tensor) -> Tensor:
    """1 where a proposal ends inside the video (start + duration < tscale), else 0; shape of ``maps``."""
    duration, start = paddle.arange(maps.shape[1]), paddle.arange(maps.shape[2])
    inside = duration.unsqueeze(1) + start.unsqueeze(0) < maps.shape[2]
    return inside.astype(maps.dtype).expand_as(maps)
