import numpy as np

from bmn.model.winograd import BLOCK, KERNEL, PATCH


def test_a_block_is_the_convolution_of_its_patch_to_the_last_bit():
    random = np.random.default_rng(0)
    patch, kernel = (random.integers(-9, 10, (side, side)).astype(np.float32) for side in (4, 3))
    wanted = [(patch[i : i + 3, j : j + 3] * kernel).sum() for i, j in np.ndindex(2, 2)]
    np.testing.assert_array_equal(BLOCK @ ((KERNEL @ kernel.ravel()) * (PATCH @ patch.ravel())), wanted)
