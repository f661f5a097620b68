"""The published form of the network: the dense sampling matrix, a Conv3D, and Conv2Ds on the whole map.

Source: arXiv 1907.09702, section 3.3, with the published code's truncation towards zero. Used by tests, and by
benchmarks as the baseline.
"""

import math

import numpy as np
import paddle
import paddle.nn.functional as F
from numpy.typing import NDArray

from bmn.model.network import BMN


def sampling_matrix(
    tscale: int, dscale: int, num_sample: int, num_sample_perbin: int, prop_boundary_ratio: float
) -> NDArray[np.float32]:
    """The sampling matrix ``[snippet, bin, duration, start]``, point by point; 0 for invalid cells."""
    matrix = np.zeros((tscale, num_sample, dscale, tscale))
    points = num_sample * num_sample_perbin
    for duration in range(dscale):
        for start in range(tscale - duration):
            length = duration + 1.0
            first = start - length * prop_boundary_ratio
            last = start + duration + length * prop_boundary_ratio
            if points == 1:
                first = last = 0.5 * (first + last)
            step = (last - first) / max(points - 1.0, 1.0)
            for point in range(points):
                position = first + step * point
                lower, upper = int(position), math.ceil(position)
                share = position - lower
                column = matrix[:, point // num_sample_perbin, duration, start]
                if 0 <= lower < tscale:
                    column[lower] += (1 - share) / num_sample_perbin
                if 0 <= upper < tscale:
                    column[upper] += share / num_sample_perbin
    return matrix.astype(np.float32)


def network_matrix(network: BMN) -> paddle.Tensor:
    """The sampling matrix of a network as the published forward wants it, ``[snippet, bin * duration * start]``."""
    matrix = sampling_matrix(
        network.tscale,
        network.dscale,
        network.num_sample,
        network.num_sample_perbin,
        network.prop_boundary_ratio,
    )
    return paddle.to_tensor(matrix.reshape(network.tscale, -1))


def published_forward(
    network: BMN, matrix: paddle.Tensor, x: paddle.Tensor
) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
    """Confidence map ``[batch, 2, duration, start]``, start and end ``[batch, snippet]``, from ``x [batch, channel,
    snippet]`` with the parameters of ``network``; cells outside the triangle hold what the convolutions leave there.
    """
    base = F.relu(network.b_conv1(x))
    base = F.relu(network.b_conv2(base))
    start = F.sigmoid(network.ts_conv2(F.relu(network.ts_conv1(base)))).squeeze(1)
    end = F.sigmoid(network.te_conv2(F.relu(network.te_conv1(base)))).squeeze(1)
    proposals = F.relu(network.p_conv1(base))
    proposals = paddle.matmul(proposals, matrix)
    proposals = proposals.reshape([0, 0, network.num_sample, network.dscale, network.tscale])
    proposals = F.relu(network.p_conv3d1(proposals)).squeeze(2)
    proposals = F.relu(network.p_conv2d1(proposals))
    proposals = F.relu(network.p_conv2d2(proposals))
    proposals = F.relu(network.p_conv2d3(proposals))
    return F.sigmoid(network.p_conv2d4(proposals)), start, end
