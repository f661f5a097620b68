"""BMN's losses as published, in NumPy: a division by zero gives NaN or infinity, as it does there."""

import numpy as np


def weighted_logistic(score, positive, negative):
    entries = positive.sum() + negative.sum()
    ratio = entries / positive.sum()
    coef_0, coef_1 = 0.5 * ratio / (ratio - 1), 0.5 * ratio
    log_positive = (np.log(score + 1e-6) * positive).sum()
    log_negative = (np.log(1 - score + 1e-6) * negative).sum()
    return -(coef_1 * log_positive + coef_0 * log_negative) / entries


def published_losses(outputs, labels, uniform):
    (confidence_map, start, end), (iou, gt_start, gt_end) = outputs, labels
    dscale, tscale = iou.shape[1:]
    mask = np.array([[float(d + t < tscale) for t in range(tscale)] for d in range(dscale)])
    iou = iou * mask
    with np.errstate(divide="ignore", invalid="ignore"):
        tem = sum(
            weighted_logistic(score, label > 0.5, label <= 0.5) for score, label in ((start, gt_start), (end, gt_end))
        )
        cls = weighted_logistic(confidence_map[:, 1], iou > 0.9, (iou <= 0.9) * mask)

        high, middle, low = iou > 0.7, (iou > 0.3) & (iou <= 0.7), (iou <= 0.3) * mask
        take_middle = middle * uniform[0] > 1 - high.sum() / np.float64(middle.sum())
        take_low = low * uniform[1] > 1 - high.sum() / np.float64(low.sum())
        weights = high + take_middle.astype(float) + take_low.astype(float)
        reg = 0.5 * ((confidence_map[:, 0] - iou) ** 2 * weights).sum() / weights.sum()
    return {"tem_loss": tem, "pem_reg_loss": reg, "pem_cls_loss": cls, "loss": tem + 10 * reg + cls}
