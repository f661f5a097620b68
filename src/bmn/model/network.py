"""The Boundary-Matching Network (arXiv 1907.09702), computed only on the valid triangle of its map."""

import math
from typing import Any

from numpy.typing import NDArray

from bmn.model import winograd
from bmn.model.paddle import F, Tensor, nn, paddle
from bmn.model.rows import Transforms, convolve, match_boundaries
from bmn.model.triangle import make_plan

HIDDEN_1D = 256
HIDDEN_2D = 128
HIDDEN_3D = 512


def _conv1d(in_channels: int, out_channels: int, kernel_size: int, groups: int = 1) -> nn.Conv1D:
    bound = 1 / math.sqrt(in_channels * kernel_size)
    uniform = nn.initializer.Uniform(-bound, bound)
    return nn.Conv1D(
        in_channels,
        out_channels,
        kernel_size,
        padding=kernel_size // 2,
        groups=groups,
        weight_attr=paddle.ParamAttr(initializer=uniform),
        bias_attr=paddle.ParamAttr(initializer=uniform),
    )


def _probability(logits: Tensor) -> Tensor:
    """The sigmoid, of 16 bits in 32: in 16, what is near 1 is 1."""
    narrow = logits.dtype in (paddle.float16, paddle.bfloat16)
    return F.sigmoid(logits.astype("float32") if narrow else logits)


class BMN(nn.Layer):  # type: ignore[misc]
    """Score the boundaries and all proposals of a video at once.

    Args:
        feat_dim: channels of the features (divisible by 4: the first convolutions have 4 groups).
        tscale: snippets in a sequence, T.
        dscale: number of proposed durations, D <= T: 1 to D snippets.
        num_sample: samples per proposal, N.
        num_sample_perbin: points averaged into a sample, P.
        prop_boundary_ratio: context on either side of a proposal, as a fraction of its length.
    """

    def __init__(
        self,
        feat_dim: int,
        tscale: int,
        dscale: int,
        num_sample: int,
        num_sample_perbin: int,
        prop_boundary_ratio: float,
    ) -> None:
        super().__init__()
        self.feat_dim = feat_dim
        self.tscale = tscale
        self.dscale = dscale
        self.num_sample = num_sample
        self.num_sample_perbin = num_sample_perbin
        self.prop_boundary_ratio = prop_boundary_ratio

        self.b_conv1 = _conv1d(feat_dim, HIDDEN_1D, 3, groups=4)
        self.b_conv2 = _conv1d(HIDDEN_1D, HIDDEN_1D, 3, groups=4)
        self.ts_conv1 = _conv1d(HIDDEN_1D, HIDDEN_1D, 3, groups=4)
        self.ts_conv2 = _conv1d(HIDDEN_1D, 1, 1)
        self.te_conv1 = _conv1d(HIDDEN_1D, HIDDEN_1D, 3, groups=4)
        self.te_conv2 = _conv1d(HIDDEN_1D, 1, 1)
        self.p_conv1 = _conv1d(HIDDEN_1D, HIDDEN_2D, 3)
        self.p_conv3d1 = nn.Conv3D(HIDDEN_2D, HIDDEN_3D, (num_sample, 1, 1), stride=(num_sample, 1, 1))
        self.p_conv2d1 = nn.Conv2D(HIDDEN_3D, HIDDEN_2D, 1)
        self.p_conv2d2 = nn.Conv2D(HIDDEN_2D, HIDDEN_2D, 3, padding=1)
        self.p_conv2d3 = nn.Conv2D(HIDDEN_2D, HIDDEN_2D, 3, padding=1)
        self.p_conv2d4 = nn.Conv2D(HIDDEN_2D, 2, 1)

        plan = make_plan(tscale, dscale, num_sample, num_sample_perbin, prop_boundary_ratio)
        self._groups = range(len(plan.tiles))
        for group in self._groups:
            self._add_constant(f"tile_reads_{group}", plan.tiles[group].reads)
            self._add_constant(f"tile_weights_{group}", plan.tiles[group].weights)
        self._add_constant("ring_read", plan.slots_to_ring.read)
        self._add_constant("slot_readers", plan.slots_to_ring.readers)
        self._add_constant("valid_read", plan.ring_to_valid.read)
        self._add_constant("ring_readers", plan.ring_to_valid.readers)
        self._add_constant("map_rows", plan.map_rows)
        self._add_constant("transform_patch", winograd.PATCH)
        self._add_constant("transform_kernel", winograd.KERNEL)
        self._add_constant("transform_block", winograd.BLOCK)

    def _add_constant(self, name: str, value: NDArray[Any]) -> None:
        """Register a constant of the plan: it moves with the network and is exported, but is in no checkpoint."""
        dtype = paddle.get_default_dtype() if value.dtype.kind == "f" else None
        self.register_buffer(name, paddle.to_tensor(value, dtype=dtype), persistable=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the maps of a batch.

        Args:
            x: features ``[batch, channel, snippet]``.

        Returns:
            The confidence map ``[batch, 2, duration, start]`` (channel 0 regression, 1 classification; 0
            outside the triangle), and the start and end probabilities, each ``[batch, snippet]``.
        """
        base = F.relu(self.b_conv2(F.relu(self.b_conv1(x))))
        start = _probability(self.ts_conv2(F.relu(self.ts_conv1(base)))).squeeze(1)
        end = _probability(self.te_conv2(F.relu(self.te_conv1(base)))).squeeze(1)
        sequence = F.relu(self.p_conv1(base))
        return self._confidence_map(sequence), start, end

    def _confidence_map(self, sequence: Tensor) -> Tensor:
        """The proposal branch after its first convolution: from ``[batch, 128, snippet]`` to the confidence map."""
        # Sums over channels and over snippets commute, so contract the weights with the sequence first.
        weight = self.p_conv3d1.weight.squeeze([3, 4]).transpose([1, 2, 0]).flatten(1)
        contracted = paddle.matmul(sequence.transpose([0, 2, 1]).flatten(0, 1), weight)
        contracted = contracted.reshape([-1, self.tscale * self.num_sample, HIDDEN_3D])
        tiles = [(getattr(self, f"tile_reads_{i}"), getattr(self, f"tile_weights_{i}")) for i in self._groups]
        rows = match_boundaries(
            contracted, self.p_conv3d1.bias, self.p_conv2d1.weight.flatten(1), self.p_conv2d1.bias, tiles
        )
        transforms = Transforms(self.transform_patch, self.transform_kernel, self.transform_block)
        first, second = self.p_conv2d2, self.p_conv2d3
        rows = convolve(rows, first.weight, first.bias, self.ring_read, self.slot_readers, transforms)
        rows = convolve(rows, second.weight, second.bias, self.valid_read, self.ring_readers, transforms)
        logits = paddle.matmul(rows, self.p_conv2d4.weight.flatten(1), transpose_y=True) + self.p_conv2d4.bias
        # Not paddle.gather, whose gradient along an axis is wrong in Paddle 2.6.2.
        scores = paddle.index_select(_probability(logits), self.map_rows, axis=1).transpose([0, 2, 1])
        scores = scores * (self.map_rows > 0).astype(scores.dtype)
        return scores.reshape([-1, 2, self.dscale, self.tscale])
