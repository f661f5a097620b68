"""The operators of the proposal branch, on rows: gather, multiply, add a bias, ReLU.

A table of rows is ``[video, row, channel]``. The operators have their own backward passes: gathered rows are far larger
than input and output, so they are gathered again instead of kept; and the gradient of a bias is a matrix product, which
every back end runs at peak speed.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from bmn.model.paddle import F, Tensor, paddle

Pairs = Sequence[tuple[Tensor, Tensor]]


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


def convolve(table: Tensor, weight: Tensor, bias: Tensor, read: Tensor, readers: Tensor) -> Tensor:
    """A 3 x 3 convolution and its ReLU at selected cells.

    Args:
        table: ``[video, row, in]``; row 0 is zero.
        weight: ``[out, in, 3, 3]``.
        bias: ``[out]``.
        read: the rows of ``table`` around every selected cell, ``[cell, 9]``.
        readers: the rows of the result that read each row of ``table``, ``[row, 9]``.

    Returns:
        ``[video, 1 + cell, out]``; row 0 is zero.
    """
    if _needs_grad():
        return _Convolve.apply(table, weight, bias, read, readers)
    return paddle.concat([_convolve(videos, table, weight, bias, read) for videos in _pieces(table)])


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


def _convolve(videos: Tensor, table: Tensor, weight: Tensor, bias: Tensor, read: Tensor) -> Tensor:
    kernel = weight.transpose([2, 3, 1, 0]).flatten(0, 2)
    gathered = _gather(table, videos, read).flatten(2)
    return _with_row_0([_activated(paddle.matmul(gathered, kernel), bias)])


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
    return grad * (output > 0).astype(grad.dtype)


def _column_sums(rows: Tensor) -> Tensor:
    rows = rows.flatten(0, -2)
    return paddle.matmul(paddle.ones([1, rows.shape[0]], rows.dtype), rows).flatten()


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
    def forward(ctx: Any, table: Tensor, weight: Tensor, bias: Tensor, read: Tensor, readers: Tensor) -> Tensor:
        output = paddle.concat([_convolve(videos, table, weight, bias, read) for videos in _pieces(table)])
        ctx.save_for_backward(table, weight, output)
        ctx.read, ctx.readers = read, readers
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        table, weight, output = ctx.saved_tensor()
        out, channels = weight.shape[:2]
        out_grads = _before_relu(grad, output)
        transposed = weight.transpose([2, 3, 0, 1]).flatten(0, 2)
        kernel_grad = paddle.zeros([9 * channels, out], weight.dtype)
        table_grads = []
        for videos in _pieces(table):
            out_grad = paddle.index_select(out_grads, videos)[:, 1:].flatten(0, 1)
            gathered = _gather(table, videos, ctx.read).reshape([-1, 9 * channels])
            kernel_grad += paddle.matmul(gathered, out_grad, transpose_x=True)
            # The gradient at a row is itself a convolution, of the gradients at the cells that read it.
            table_grads.append(paddle.matmul(_gather(out_grads, videos, ctx.readers).flatten(2), transposed))
        weight_grad = kernel_grad.reshape([3, 3, channels, out]).transpose([3, 2, 0, 1])
        return paddle.concat(table_grads), weight_grad, _column_sums(out_grads)
