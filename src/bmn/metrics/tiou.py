"""Temporal intersection over union."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def tiou(start: Floats, end: Floats, other_start: Floats, other_end: Floats) -> Floats:
    """The temporal intersection over union of segments.

    The order of operations is that of ActivityNet's evaluator, since rounding decides on which side of a threshold a
    tIoU falls. Soft-NMS and the label maps have their own, as in the published code.

    Args:
        start, end, other_start, other_end: of shapes that broadcast, all in the same unit.

    Returns:
        Of the broadcast shape, in [0, 1]; 0 between two segments of zero length.
    """
    intersection = np.maximum(np.minimum(end, other_end) - np.maximum(start, other_start), 0.0)
    union = (end - start) + (other_end - other_start) - intersection
    ratio: Floats = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
    return ratio
