"""The operators of the proposal branch, on rows: gather, multiply, add a bias, cut off below 0.

A table of rows is ``[video, row, channel]``. The operators differentiate themselves: what they gather is far larger
than what they read and what they give, so the gathered rows are not kept but, where they are needed, gathered
again; and a bias gets its gradient by a matrix product, which every back end runs at its peak.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle.autograd import PyLayer


Tiles = Sequence[tuple[Tensor, Tensor]]


def match_boundaries(
    contracted: Tensor, bias: Tensor, weight: Tensor, out_bias: Tensor, tiles: Tiles
) -> Tensor:
    """Sample the contracted sequence for every slot, and apply the convolution that follows.

    Args:
        contracted: ``[video, row, hidden]``: what each bin makes of each snippet.
        bias: of the sampled sums, ``[hidden]``.
        weight: of the 1 x 1 convolution that follows, ``[channel, hidden]``.
        out_bias: its bias, ``[channel]``.
        tiles: per group, the rows that each tile reads ``[tile, read]`` and their weights ``[tile, slot, read]``.

    Returns:
        ``[video, 1 + slot, channel]``, after the ReLUs; row 0 is 0.
    """
    if paddle.in_dynamic_mode():
        return _MatchBoundaries.apply(contracted, bias, weight, out_bias, tiles)
    return _match(contracted, bias, weight, out_bias, tiles)[0]


def convolve(table: Tensor, weight: Tensor, bias: Tensor, neighbours: Tensor) -> Tensor:
    """A 3 x 3 convolution and its ReLU, at the cells that are listed.

    Args:
        table: ``[video, row, in]``; row 0 is 0.
        weight: ``[out, in, 3, 3]``.
        bias: ``[out]``.
        neighbours: the rows around each cell, ``[cell, 9]``.

    Returns:
        ``[video, 1 + cell, out]``; row 0 is 0.
    """
    if paddle.in_dynamic_mode():
        return _Convolve.apply(table, weight, bias, neighbours)
    return _convolve(table, _kernel(weight), bias, neighbours)


def _match(
    rows: Tensor, bias: Tensor, weight: Tensor, out_bias: Tensor, tiles: Tiles
) -> tuple[Tensor, list[Tensor]]:
    hiddens, parts = [], [paddle.zeros_like(rows[:, :1, : weight.shape[0]])]
    for reads, weights in tiles:
        gathered = _gather(rows, reads).reshape([-1, *reads.shape, rows.shape[2]])
        hidden = F.relu(paddle.matmul(weights, gathered).flatten(1, 2) + bias)
        hiddens.append(hidden)
        parts.append(F.relu(paddle.matmul(hidden, weight, transpose_y=True) + out_bias))
    return paddle.concat(parts, axis=1), hiddens


def _convolve(rows: Tensor, kernel: Tensor, bias: Tensor, neighbours: Tensor) -> Tensor:
    gathered = _gather(rows, neighbours).reshape([-1, neighbours.shape[0], kernel.shape[0]])
    output = F.relu(paddle.matmul(gathered, kernel) + bias)
    return paddle.concat([paddle.zeros_like(output[:, :1]), output], axis=1)


def _kernel(weight: Tensor) -> Tensor:
    """A 3 x 3 convolution's weight ``[out, in, 3, 3]`` as a matrix ``[9 * in, out]``."""
    return weight.transpose([2, 3, 1, 0]).flatten(0, 2)


def _gather(table: Tensor, rows: Tensor) -> Tensor:
    return paddle.gather(table, rows.flatten(), axis=1)


def _scatter_add(rows: Tensor, values: Tensor, like: Tensor) -> Tensor:
    """The adjoint of :func:`_gather`."""
    return paddle.index_add(paddle.zeros_like(like), rows.flatten(), 1, values)


def _pieces(*tables: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """Split a batch into what is worked on at once: on the CPU one video, whose buffers stay in the cache."""
    if tables[0].place.is_cpu_place():
        return zip(*(table.split(table.shape[0]) for table in tables), strict=True)
    return [tables]


def _cut_off(grad: Tensor, output: Tensor) -> Tensor:
    """The gradient before a ReLU, as a matrix ``[row, channel]``."""
    return (grad * (output > 0).astype(grad.dtype)).flatten(0, -2)


def _column_sums(rows: Tensor) -> Tensor:
    return paddle.matmul(paddle.ones([1, rows.shape[0]], rows.dtype), rows).flatten()


class _MatchBoundaries(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any, contracted: Tensor, bias: Tensor, weight: Tensor, out_bias: Tensor, tiles: Tiles
    ) -> Tensor:
        results = [_match(rows, bias, weight, out_bias, tiles) for (rows,) in _pieces(contracted)]
        output = paddle.concat([table for table, _ in results])
        ctx.save_for_backward(contracted, weight, output, *(hidden for _, hiddens in results for hidden in hiddens))
        ctx.tiles = tiles
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        contracted, weight, output, *saved = ctx.saved_tensor()
        hiddens = iter(saved)
        contracted_grads = []
        weight_grad = bias_grad = out_bias_grad = 0.0
        for rows, grads, outs in _pieces(contracted, grad, output):
            row_grad = 0.0
            first = 1
            for reads, weights in ctx.tiles:
                hidden = next(hiddens)
                after = first + hidden.shape[1]
                out_grad = _cut_off(grads[:, first:after], outs[:, first:after])
                hidden_grad = _cut_off(paddle.matmul(out_grad, weight).reshape(hidden.shape), hidden)
                weight_grad += paddle.matmul(out_grad, hidden.flatten(0, 1), transpose_x=True)
                out_bias_grad += _column_sums(out_grad)
                bias_grad += _column_sums(hidden_grad)
                hidden_grad = hidden_grad.reshape([-1, *weights.shape[:2], hidden.shape[2]])
                read_grad = paddle.matmul(weights, hidden_grad, transpose_x=True).flatten(1, 2)
                row_grad += _scatter_add(reads, read_grad, rows)
                first = after
            contracted_grads.append(row_grad)
        return paddle.concat(contracted_grads), bias_grad, weight_grad, out_bias_grad


class _Convolve(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, table: Tensor, weight: Tensor, bias: Tensor, neighbours: Tensor) -> Tensor:
        kernel = _kernel(weight)
        output = paddle.concat([_convolve(rows, kernel, bias, neighbours) for (rows,) in _pieces(table)])
        ctx.save_for_backward(table, weight, output)
        ctx.neighbours = neighbours
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        table, weight, output = ctx.saved_tensor()
        kernel = _kernel(weight)
        table_grads = []
        kernel_grad = bias_grad = 0.0
        for rows, grads, outs in _pieces(table, grad, output):
            out_grad = _cut_off(grads[:, 1:], outs[:, 1:])
            gathered = _gather(rows, ctx.neighbours).reshape([-1, kernel.shape[0]])
            kernel_grad += paddle.matmul(gathered, out_grad, transpose_x=True)
            bias_grad += _column_sums(out_grad)
            gathered_grad = paddle.matmul(out_grad, kernel, transpose_y=True)
            gathered_grad = gathered_grad.reshape([rows.shape[0], -1, rows.shape[2]])
            table_grads.append(_scatter_add(ctx.neighbours, gathered_grad, rows))
        weight_grad = kernel_grad.reshape([3, 3, weight.shape[1], weight.shape[0]]).transpose([3, 2, 0, 1])
        return paddle.concat(table_grads), weight_grad, bias_grad
