"""Where every proposal samples the sequence (arXiv 1907.09702, section 3.3): pure NumPy.

The proposal that starts at snippet ``t`` and lasts ``d + 1`` snippets is the cell ``(d, t)`` of the map
``[dscale, tscale]``, valid if ``d + t < tscale``. It has ``num_sample * num_sample_perbin`` points spread evenly over
its span and some context on either side. Each point interpolates linearly between two snippets; the points of a bin
are averaged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Reads:
    """The non-zeros of the sampling matrix: every point of every valid cell reads two snippets.

    Attributes:
        snippet: the snippet that is read, ``[cell, point, 2]``, always inside the sequence.
        weight: its share of the bin's value, ``[cell, point, 2]``; 0 where the point reads nothing. Summed over equal
            ``(cell, bin, snippet)``, this is the matrix entry.
        bin: the bin of each point, ``[point]``.
    """

    snippet: NDArray[np.int32]
    weight: NDArray[np.float64]
    bin: NDArray[np.int32]


def cells_before(end: int, tscale: int, dscale: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Duration and start of the cells with ``d + t < end``, in row-major order; ``end = tscale``: the valid ones."""
    duration, start = np.indices((dscale, tscale))
    inside = duration + start < end
    return duration[inside], start[inside]


def sampling_reads(
    tscale: int, dscale: int, num_sample: int, num_sample_perbin: int, prop_boundary_ratio: float
) -> Reads:
    """The reads of all valid cells, in the order of :func:`cells_before`.

    The points are evenly spaced on ``[t - r (d + 1), t + d + r (d + 1)]``. A neighbour outside the sequence contributes
    nothing. As in the published code, whose weights we load, the lower neighbour is found by truncation towards zero,
    so a point in (-1, 0) reads snippet 0 with full weight. Where the published code divides by zero (a single point),
    the point is the middle of the span.
    """
    duration, start = cells_before(tscale, tscale, dscale)
    context = (duration + 1.0) * prop_boundary_ratio
    first, last = start - context, start + duration + context
    points = num_sample * num_sample_perbin
    # The order of these float operations is the published one: a point that rounds to -1 reads nothing, while one just
    # above reads all of snippet 0.
    if points == 1:
        position = (0.5 * (first + last))[:, None]
    else:
        position = first[:, None] + ((last - first) / (points - 1.0))[:, None] * np.arange(points)
    lower, upper = np.trunc(position), np.ceil(position)
    share = position - lower
    snippet = np.stack([lower, upper], axis=-1).astype(np.int32)
    weight = np.stack([1.0 - share, share], axis=-1) / num_sample_perbin
    reads_something = (snippet >= 0) & (snippet < tscale)
    return Reads(
        snippet=np.where(reads_something, snippet, 0),
        weight=np.where(reads_something, weight, 0.0),
        bin=np.arange(points, dtype=np.int32) // num_sample_perbin,
    )
