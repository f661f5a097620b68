"""Temporal intersection over union."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def tiou(start: Floats, end: Floats, other_start: Floats, other_end: Floats) -> Floats:
    """The tIoU of segments with others: the time that both cover by the time that either covers.

    The order of operations is that of ActivityNet's evaluator, which decides on which side of a threshold a tIoU
    falls. Two places have others, as the published code has there: Soft-NMS, and the label maps.

    Args:
        start, end, other_start, other_end: of any shapes that go together, all in one unit.

    Returns:
        Of the common shape, in [0, 1]; 0 between two segments of no length.
    """
    intersection = np.maximum(np.minimum(end, other_end) - np.maximum(start, other_start), 0.0)
    union = (end - start) + (other_end - other_start) - intersection
    ratio: Floats = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
    return ratio
