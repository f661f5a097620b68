"""The three losses of BMN (arXiv 1907.09702, section 3.4), over a global batch that may be shared by processes.

They equal PaddleVideo's ``BMNLoss`` wherever that is finite. Where it divides zero by zero, these stay finite, as
documented below.
"""

from typing import NamedTuple

from bmn.loss.normalizers import HIT, Labels, Normalizers, positive, sampling_weights, valid_cells
from bmn.model.paddle import Tensor, paddle

LOG_EPSILON = 1e-6
SCALE_ALPHA = 0.2  # share of the hits in the scale-invariant loss, as in OpenTAD's TSI


class Losses(NamedTuple):
    """The weighted total and its parts, dimensionless scalars."""

    loss: Tensor
    tem_loss: Tensor
    pem_reg_loss: Tensor
    pem_cls_loss: Tensor


def balanced_log_loss(
    score: Tensor, positives: Tensor, negatives: Tensor, positive_count: Tensor, negative_count: Tensor
) -> Tensor:
    """Weighted binary logistic loss: half the mean over the positives plus half the mean over the negatives.

    This is the published ``coef_1 · mean(positive log score) + coef_0 · mean(negative log(1 − score))``, simplified.
    An empty side contributes 0 (the published form gives NaN).

    Args:
        score: probabilities in (0, 1), any shape.
        positives, negatives: weights of that shape; entries with 0 in both are ignored.
        positive_count, negative_count: scalars, what each side is divided by; for masks their number in the global
            batch.
    """
    log_positive = (paddle.log(score + LOG_EPSILON) * positives).sum()
    log_negative = (paddle.log(1.0 - score + LOG_EPSILON) * negatives).sum()
    return -0.5 * (log_positive / positive_count.clip(min=1.0) + log_negative / negative_count.clip(min=1.0))


def tem_loss(start: Tensor, end: Tensor, gt_start: Tensor, gt_end: Tensor, normalizers: Normalizers) -> Tensor:
    """Temporal evaluation: the balanced log loss of start and of end probabilities.

    Args:
        start, end: probabilities ``[batch, snippet]``.
        gt_start, gt_end: labels ``[batch, snippet]`` in [0, 1]; positive where above 0.5.
        normalizers: of the global batch.
    """
    starts, ends = positive(gt_start), positive(gt_end)
    return balanced_log_loss(
        start, starts, 1.0 - starts, normalizers.starts, normalizers.other_starts
    ) + balanced_log_loss(end, ends, 1.0 - ends, normalizers.ends, normalizers.other_ends)


def pem_reg_loss(regression: Tensor, gt_iou_map: Tensor, uniform: Tensor, normalizers: Normalizers) -> Tensor:
    """Proposal regression: squared error against the tIoU map, sampled to balance its levels.

    The weights are those of :func:`bmn.loss.normalizers.sampling_weights`. If no cell is above 0.7, nothing is sampled
    and the loss is 0 (the published form gives NaN).

    Args:
        regression: predicted tIoU ``[batch, duration, start]``.
        gt_iou_map: labels of that shape, 0 outside the triangle of valid cells.
        uniform: random numbers in [0, 1) ``[2, duration, start]``, for the middle and low levels, shared by the batch.
        normalizers: of the global batch, from the same random numbers.
    """
    weights = sampling_weights(gt_iou_map, uniform, normalizers.high, normalizers.middle, normalizers.low)
    return 0.5 * (paddle.square(regression - gt_iou_map) * weights).sum() / normalizers.sampled.clip(min=1.0)


def pem_cls_loss(
    classification: Tensor, gt_iou_map: Tensor, normalizers: Normalizers, weights: Tensor | None = None
) -> Tensor:
    """Proposal classification: the balanced log loss over the valid cells, positive where tIoU > 0.9.

    With ``weights`` the scale-invariant loss of TSI: per window, 0.2 · the weighted sum over the hits + 0.8 · that over
    the other cells, averaged over the windows of the global batch.

    Args:
        classification: predicted confidence ``[batch, duration, start]``.
        gt_iou_map: labels of that shape, 0 outside the triangle of valid cells.
        normalizers: of the global batch.
        weights: of the cells, from :func:`bmn.loss.labels.scale_weights`, in that shape.
    """
    hits = positive(gt_iou_map, HIT)
    misses = valid_cells(gt_iou_map) - hits
    if weights is not None:
        windows = (normalizers.hits + normalizers.misses) / valid_cells(gt_iou_map)[0].sum()
        shares = 2 * SCALE_ALPHA * weights * hits, 2 * (1 - SCALE_ALPHA) * weights * misses
        return balanced_log_loss(classification, *shares, windows, windows)
    return balanced_log_loss(classification, hits, misses, normalizers.hits, normalizers.misses)


def bmn_loss(
    outputs: tuple[Tensor, Tensor, Tensor],
    labels: Labels,
    uniform: Tensor,
    normalizers: Normalizers,
    loss_weights: tuple[float, float, float] = (1.0, 10.0, 1.0),
) -> Losses:
    """The training objective: tem_loss + 10 · pem_reg_loss + pem_cls_loss with the published weights.

    The losses, and their gradients, of the parts of a global batch add up to those of the whole batch.

    Args:
        outputs: confidence map ``[batch, 2, duration, start]`` (0 regression, 1 classification), start and end
            probabilities ``[batch, snippet]``.
        labels: of the same windows; with weights the classification loss is the scale-invariant one.
        uniform: see :func:`pem_reg_loss`.
        normalizers: of the global batch, from :func:`bmn.loss.normalizers.normalizers`.
        loss_weights: of tem, pem_reg and pem_cls.
    """
    confidence_map, start, end = outputs
    gt_iou_map, gt_start, gt_end, *weights = labels
    gt_iou_map = gt_iou_map * valid_cells(gt_iou_map)
    parts = (
        tem_loss(start, end, gt_start, gt_end, normalizers),
        pem_reg_loss(confidence_map[:, 0], gt_iou_map, uniform, normalizers),
        pem_cls_loss(confidence_map[:, 1], gt_iou_map, normalizers, *weights),
    )
    loss = sum(weight * part for weight, part in zip(loss_weights, parts, strict=True))
    return Losses(loss, *parts)
