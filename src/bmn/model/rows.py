"""The operators of the proposal branch, on rows: gather, multiply, add a bias, ReLU.

A table of rows is ``[video, row, channel]``. The operators have their own backward passes: gathered rows are far larger
than input and output, so they are gathered again instead of kept; and the gradient of a bias is a matrix product, which
every back end runs at peak speed.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from bmn.model.paddle import F, Tensor, paddle

Pairs = Sequence[tuple[Tensor, Tensor]]


class Transforms(NamedTuple):
    """The matrices of :mod:`bmn.model.winograd`."""

    patch: Tensor
    kernel: Tensor
    block: Tensor


def match_boundaries(contracted: Tensor, bias: Tensor, weight: Tensor, out_bias: Tensor, tiles: Pairs) -> Tensor:
    """Sample the contracted sequence for every slot, and apply the 1 x 1 convolution that follows.

    Args:
        contracted: the contribution of every snippet to every bin, ``[video, row, hidden]``.
        bias: of the sampled sums, ``[hidden]``.
        weight: of the 1 x 1 convolution, ``[channel, hidden]``.
        out_bias: its bias, ``[channel]``.
        tiles: per group, the rows that each tile reads ``[tile, read]`` and their weights ``[tile, slot, read]``.

    Returns:
        ``[video, 1 + slot, channel]``, after the ReLUs; row 0 is zero.
    """
    if _needs_grad():
        return _MatchBoundaries.apply(contracted, bias, weight, out_bias, tiles)
    pieces = [_match(videos, contracted, bias, weight, out_bias, tiles)[0] for videos in _pieces(contracted)]
    return paddle.concat(pieces)


def convolve(
    table: Tensor, weight: Tensor, bias: Tensor, read: Tensor, readers: Tensor, transforms: Transforms
) -> Tensor:
    """A 3 x 3 convolution and its ReLU at blocks of 2 x 2 cells.

    Args:
        table: ``[video, row, in]``; row 0 is zero.
        weight: ``[out, in, 3, 3]``.
        bias: ``[out]``.
        read: the rows of ``table`` in the patch around every block, ``[16, block]``.
        readers: where each row of ``table`` is in ``read``, ``[4, row]``.
        transforms: of patches, kernels and blocks.

    Returns:
        ``[video, 1 + 4 * block, out]``, by the position in the block, then by block; row 0 is zero.
    """
    if _needs_grad():
        return _Convolve.apply(table, weight, bias, read, readers, transforms)
    return _convolve(table, weight, bias, read, transforms)


def _needs_grad() -> bool:
    """Whether to use our own backward passes; a static program differentiates or exports plain operators."""
    return bool(paddle.in_dynamic_mode() and paddle.is_grad_enabled())


def _match(
    videos: Tensor, contracted: Tensor, bias: Tensor, weight: Tensor, out_bias: Tensor, tiles: Pairs
) -> tuple[Tensor, list[Tensor]]:
    """The result for some videos, and the hidden layer of every group of tiles, ``[video, slot, hidden]``."""
    hiddens, parts = [], []
    for reads, weights in tiles:
        gathered = _gather(contracted, videos, reads)
        hidden = _activated(paddle.matmul(weights, gathered).flatten(1, 2), bias)
        hiddens.append(hidden)
        parts.append(_activated(paddle.matmul(hidden, weight, transpose_y=True), out_bias))
    return _with_row_0(parts), hiddens


def _convolve(table: Tensor, weight: Tensor, bias: Tensor, read: Tensor, transforms: Transforms) -> Tensor:
    kernel = _transformed_kernel(weight, transforms)
    return paddle.concat([_blocks(videos, table, kernel, bias, read, transforms) for videos in _pieces(table)])


def _blocks(
    videos: Tensor, table: Tensor, kernel: Tensor, bias: Tensor, read: Tensor, transforms: Transforms
) -> Tensor:
    """The result for some videos, given the transformed kernel."""
    products = paddle.matmul(_transformed_patches(videos, table, read, transforms), kernel)
    sums = paddle.matmul(transforms.block, products.flatten(2))
    return _with_row_0([_activated(sums.reshape([-1, 4 * read.shape[1], kernel.shape[2]]), bias)])


def _transformed_kernel(weight: Tensor, transforms: Transforms) -> Tensor:
    """``[16, in, out]``."""
    kernel = weight.transpose([2, 3, 1, 0]).reshape([9, -1])
    return paddle.matmul(transforms.kernel, kernel).reshape([16, weight.shape[1], weight.shape[0]])


def _transformed_patches(videos: Tensor, table: Tensor, read: Tensor, transforms: Transforms) -> Tensor:
    """Of some videos, ``[video, 16, block, in]``."""
    patches = _gather(table, videos, read).flatten(2)
    return paddle.matmul(transforms.patch, patches).reshape([-1, *read.shape, table.shape[2]])


def _product_grad(videos: Tensor, out_grads: Tensor, transforms: Transforms) -> Tensor:
    """The gradient of the products of some videos, ``[video, 16, block, out]``."""
    out = out_grads.shape[2]
    blocks = paddle.index_select(out_grads, videos)[:, 1:].reshape([len(videos), 4, -1])
    return paddle.matmul(transforms.block, blocks, transpose_x=True).reshape([len(videos), 16, -1, out])


def _table_grad(product_grad: Tensor, kernel: Tensor, readers: Tensor, transforms: Transforms) -> Tensor:
    """The gradient of the table of some videos: the sum over the patches that each of its rows is in."""
    videos, channels = product_grad.shape[0], kernel.shape[1]
    grad = paddle.matmul(product_grad, kernel, transpose_y=True).flatten(2)
    grad = paddle.matmul(transforms.patch, grad, transpose_x=True).reshape([videos, -1, channels])
    grad = _gather(grad, paddle.arange(videos, dtype="int32"), readers)
    return _sum(grad.flatten(2)).reshape([videos, -1, channels])


def _activated(sums: Tensor, bias: Tensor) -> Tensor:
    """Add the bias and apply the ReLU: in place, where the program does not keep the operators."""
    return F.relu_(sums.add_(bias)) if paddle.in_dynamic_mode() else F.relu(sums + bias)


def _with_row_0(parts: list[Tensor]) -> Tensor:
    return paddle.concat([paddle.zeros_like(parts[0][:, :1]), *parts], axis=1)


def _pieces(table: Tensor) -> Iterable[Tensor]:
    """Split the videos of a batch: on a CPU one at a time, so that its buffers stay in the cache."""
    if not paddle.in_dynamic_mode():
        return [paddle.arange(paddle.shape(table)[0], dtype="int32")]
    videos = paddle.arange(table.shape[0], dtype="int32")
    return videos.split(len(videos)) if table.place.is_cpu_place() else [videos]


def _ids(table: Tensor, videos: Tensor, rows: Tensor) -> Tensor:
    """Indices ``[video, ...]`` of rows ``[...]`` of some videos in the flattened table."""
    return (videos * table.shape[1]).reshape([-1] + [1] * rows.ndim) + rows


def _gather(table: Tensor, videos: Tensor, rows: Tensor) -> Tensor:
    """Rows ``[...]`` of some videos, ``[video, ..., channel]``."""
    ids, flat = _ids(table, videos, rows), table.flatten(0, 1)
    if paddle.in_dynamic_mode():
        # The fastest gather on a CPU; a static program rejects it for a table of unknown length.
        return F.embedding(ids, flat)
    return paddle.gather(flat, ids.flatten()).reshape([-1, *rows.shape, table.shape[2]])


def _before_relu(grad: Tensor, output: Tensor) -> Tensor:
    """The gradient before a ReLU."""
    if hasattr(paddle._C_ops, "relu_grad"):  # not in Paddle 2.6: one operator, in a third of the time
        return paddle._C_ops.relu_grad(output, grad)
    return grad * (output > 0).astype(grad.dtype)


def _sum(rows: Tensor) -> Tensor:
    """Over the last axis but one, which is left with length 1: a matrix product is the fastest sum."""
    return paddle.matmul(paddle.ones([1, rows.shape[-2]], rows.dtype), rows)


def _column_sums(rows: Tensor) -> Tensor:
    return _sum(rows.flatten(0, -2)).flatten()


class _MatchBoundaries(paddle.autograd.PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, contracted: Tensor, bias: Tensor, weight: Tensor, out_bias: Tensor, tiles: Pairs) -> Tensor:
        results = [_match(videos, contracted, bias, weight, out_bias, tiles) for videos in _pieces(contracted)]
        output = paddle.concat([table for table, _ in results])
        hiddens = [hidden for _, piece in results for hidden in piece]
        ctx.save_for_backward(contracted, weight, output, *hiddens)
        ctx.tiles = tiles
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        contracted, weight, output, *hiddens = ctx.saved_tensor()
        out_grads = _before_relu(grad, output)
        contracted_grad = paddle.zeros_like(contracted).flatten(0, 1)
        weight_grad, bias_grad = paddle.zeros_like(weight), 0.0
        remaining = iter(hiddens)
        for videos in _pieces(contracted):
            first = 1
            piece = paddle.index_select(out_grads, videos)
            for reads, weights in ctx.tiles:
                hidden = next(remaining)
                out_grad = piece[:, first : first + hidden.shape[1]]
                first += hidden.shape[1]
                weight_grad += paddle.matmul(out_grad.flatten(0, 1), hidden.flatten(0, 1), transpose_x=True)
                hidden_grad = _before_relu(paddle.matmul(out_grad, weight), hidden)
                bias_grad += _column_sums(hidden_grad)
                hidden_grad = hidden_grad.reshape([-1, *weights.shape[:2], hidden.shape[2]])
                read_grad = paddle.matmul(weights, hidden_grad, transpose_x=True)
                ids = _ids(contracted, videos, reads).flatten()
                paddle.index_add_(contracted_grad, ids, 0, read_grad.flatten(0, 2))
        return contracted_grad.reshape(contracted.shape), bias_grad, weight_grad, _column_sums(out_grads)


class _Convolve(paddle.autograd.PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any, table: Tensor, weight: Tensor, bias: Tensor, read: Tensor, readers: Tensor, transforms: Transforms
    ) -> Tensor:
        output = _convolve(table, weight, bias, read, transforms)
        ctx.save_for_backward(table, weight, output)
        ctx.read, ctx.readers, ctx.transforms = read, readers, transforms
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        table, weight, output = ctx.saved_tensor()
        out, channels = weight.shape[:2]
        transforms = ctx.transforms
        out_grads = _before_relu(grad, output)
        kernel = _transformed_kernel(weight, transforms)
        kernel_grad = paddle.zeros_like(kernel)
        table_grads = []
        for videos in _pieces(table):
            product_grad = _product_grad(videos, out_grads, transforms)
            # No variable holds what is transformed: it is as large as all the rest.
            kernel_grad += paddle.matmul(
                _transformed_patches(videos, table, ctx.read, transforms), product_grad, transpose_x=True
            ).sum(0)
            table_grads.append(_table_grad(product_grad, kernel, ctx.readers, transforms))
        weight_grad = paddle.matmul(transforms.kernel, kernel_grad.flatten(1), transpose_x=True)
        weight_grad = weight_grad.reshape([3, 3, channels, out]).transpose([3, 2, 0, 1])
        return paddle.concat(table_grads), weight_grad, _column_sums(out_grads)
