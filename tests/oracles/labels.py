"""The published label computation (PaddleVideo ``GetMatchMap`` + ``GetVideoLabel``): one loop a proposal,
float64."""

import numpy as np


def published_labels(segments, tscale, dscale):
    """Labels of one window.

    Args:
        segments: list of (start, end), fractions of the window.

    Returns:
        gt_iou_map [D, T], gt_start [T], gt_end [T], float32. Without segments all zero (the published code
        fails).
    """
    gap = 1.0 / tscale
    iou_map = np.zeros((dscale, tscale))
    start_map = np.zeros(tscale)
    end_map = np.zeros(tscale)
    for start, end in segments:
        start, end = max(min(1, start), 0), max(min(1, end), 0)
        for t in range(tscale):
            left = gap * t
            for d in range(dscale):
                right = left + gap * (d + 1)
                overlap = max(min(right, end) - max(left, start), 0.0)
                union = (right - left) - overlap + end - start
                iou_map[d, t] = max(iou_map[d, t], overlap / union)
            right = gap * (t + 1)
            for scores, boundary in ((start_map, start), (end_map, end)):
                low, high = boundary - 3 * gap / 2, boundary + 3 * gap / 2
                overlap = max(min(right, high) - max(left, low), 0.0)
                scores[t] = max(scores[t], overlap / (right - left))
    return iou_map.astype("float32"), start_map.astype("float32"), end_map.astype("float32")
