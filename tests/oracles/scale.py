"""The scale-invariant loss of TSI (ACCV 2020), one window and one cell at a time, in NumPy."""

import math

import numpy as np


def scale_invariant_loss(classification, batch, tscale, dscale, alpha=0.2):
    """The loss of a batch; two things are settled that the text leaves open.

    A window without segments counts as one with one. Where a cell matches two segments equally well, it belongs to the
    one with fewer hits (OpenTAD: the first).

    Args:
        classification: [window, D, T], probabilities.
        batch: a list of (start, end) for each window, fractions of it.
    """
    total = 0.0
    for scores, segments in zip(classification, batch, strict=True):
        cells = [(d, t) for d in range(dscale) for t in range(tscale - d)]
        matches = np.array([[tiou(t / tscale, (t + d + 1) / tscale, *one) for one in segments] for d, t in cells])
        matches = np.float32(matches.reshape(len(cells), len(segments)))
        hits = [sum(row[segment] > np.float32(0.9) for row in matches) for segment in range(len(segments))]
        best = [max(row, default=0) for row in matches]
        misses = sum(one <= np.float32(0.9) for one in best)
        for cell, row, most in zip(cells, matches, best, strict=True):
            score = scores[cell] + 1e-6, 1 - scores[cell] + 1e-6
            if most > np.float32(0.9):
                fewest = min(hits[segment] for segment in range(len(segments)) if row[segment] == most)
                total -= alpha * math.log(score[0]) / fewest
            else:
                total -= (1 - alpha) * math.log(score[1]) * max(len(segments), 1) / misses
    return total / len(batch)


def tiou(left, right, start, end):
    overlap = max(min(right, end) - max(left, start), 0.0)
    return overlap / (right - left - overlap + end - start)
