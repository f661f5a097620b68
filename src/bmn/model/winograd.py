"""The transforms of Winograd's minimal filtering F(2 x 2, 3 x 3), arXiv 1509.09308, section 4.1: pure NumPy.

A 3 x 3 convolution computes a block of 2 x 2 cells from the patch of 4 x 4 cells around it. Between these transforms
the block takes 16 multiplications per pair of channels instead of 36. The matrices hold only 0, 1/4, 1/2, 1 and their
negatives, so next to nothing is lost to rounding, not even in 16 bits. Larger blocks would take fewer multiplications,
but lose several times as much.

Cells of patches, kernels and blocks are in row-major order.
"""

import numpy as np

_PATCH = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float32)
_KERNEL = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
_BLOCK = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float32)

PATCH = np.kron(_PATCH, _PATCH)
"""Transforms a patch, ``[16, 16]``."""
KERNEL = np.kron(_KERNEL, _KERNEL)
"""Transforms a kernel, ``[16, 9]``."""
BLOCK = np.kron(_BLOCK, _BLOCK)
"""Transforms the products of the two to a block, ``[4, 16]``."""
