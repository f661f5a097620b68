"""Decoding and Soft-NMS as published: one video, one cell, one candidate at a time.

Written from PaddleVideo's behaviour, slow and obvious. One thing is settled that it leaves to chance:
candidates of equal score keep the order of decoding (its sort is not stable).
"""

import numpy as np


def decode(confidence_map, start, end, exponents=(1.0, 1.0, 1.0)):
    """One video: map [2, D, T], start [T], end [T] → [(xmin, xmax, score)] in the order of (d, t).

    The exponents are those of start · end, of regression and of classification; not published, 1 where it is.
    """
    boundary, regression, classification = map(np.float32, exponents)
    _, dscale, tscale = confidence_map.shape
    starts = likely(start)
    ends = likely(end)
    starts[0] = True
    ends[-1] = True
    candidates = []
    for d in range(dscale):
        for t in range(tscale):
            if t + d < tscale and starts[t] and ends[t + d]:
                confidence = confidence_map[0, d, t] ** regression * confidence_map[1, d, t] ** classification
                score = (start[t] * end[t + d]) ** boundary * confidence
                candidates.append((1.0 / tscale * t, 1.0 / tscale * (t + d + 1), float(score)))
    return candidates


def likely(probability):
    """Where a boundary is likely: above half of the maximum, or above both neighbours (0 beyond the ends)."""
    padded = [0.0, *probability, 0.0]
    half = max(probability) * np.float32(0.5)
    return [
        padded[t + 1] > half or (padded[t + 1] > padded[t] and padded[t + 1] > padded[t + 2])
        for t in range(len(probability))
    ]


def soft_nms(candidates, alpha=0.4, low_threshold=0.55, high_threshold=0.9, max_proposals=100):
    """One video's candidates → [(xmin, xmax, score)] in the order of selection.

    With the means of the published loop, whose time ours is compared with: tIoU vectorised, the rest on lists
    of NumPy numbers from which the selected one is removed.
    """
    if len(candidates) == 1:
        return list(candidates)
    ordered = sorted(candidates, key=lambda candidate: -candidate[2])  # sorted() is stable
    starts, ends, scores = map(list, np.reshape(ordered, (-1, 3)).T)
    kept = []
    while len(scores) > 1 and len(kept) < max_proposals + 1:
        best = scores.index(max(scores))
        overlaps = tiou(np.array(starts), np.array(ends), starts[best], ends[best])
        for i in range(len(scores)):
            if i != best:
                overlap = overlaps[i]
                width = ends[best] - starts[best]
                if overlap > low_threshold + (high_threshold - low_threshold) * width:
                    scores[i] = scores[i] * np.exp(-np.square(overlap) / alpha)
        kept.append((starts.pop(best), ends.pop(best), scores.pop(best)))
    return kept[:max_proposals]


def tiou(starts, ends, start, end):
    intersection = np.maximum(np.minimum(ends, end) - np.maximum(starts, start), 0.0)
    union = ends - starts - intersection + end - start
    return intersection / union
