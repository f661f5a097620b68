"""The gradients of a global batch, worked off in parts by processes that each hold a share of it."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor

from bmn.config import TrainParams
from bmn.data.batches import Batch
from bmn.data.labels import label_maps
from bmn.model.losses import Losses, bmn_loss
from bmn.model.network import BMN
from bmn.training.precision import autocast

Sum = Callable[[Tensor], Tensor]
Maps = tuple[Tensor, Tensor, Tensor]


def add_gradients(
    network: BMN, batch: Batch, uniform: NDArray[np.float32], recipe: TrainParams, all_sum: Sum, scale: float
) -> Tensor:
    """Add the gradients of a share of a batch to those of the network's parameters.

    The share is worked off in ``recipe.accumulation`` parts, one after the other. The divisors of the losses are
    those of the whole global batch, so shares and parts add up to what one process computes at once.

    Args:
        batch: this process's share.
        uniform: ``[2, duration, start]`` (:func:`bmn.model.losses.pem_reg_loss`).
        all_sum: sums a tensor over the processes.
        scale: factor of the loss, of the gradients, therefore; not of what is returned.

    Returns:
        ``[4]``: this share's loss, tem_loss, pem_reg_loss, pem_cls_loss.
    """
    labels = label_maps(paddle.to_tensor(batch.segments), network.tscale, network.dscale)
    draws = paddle.to_tensor(uniform)
    sums = _sums_over_batch(labels, draws, all_sum)
    total = paddle.zeros([len(Losses._fields)])
    for part in _parts(len(batch.rows), recipe.accumulation):
        with autocast(recipe.precision):
            outputs = network(paddle.to_tensor(batch.features[part]))
        known = iter(sums)
        losses = bmn_loss(
            tuple(output.astype("float32") for output in outputs),
            tuple(label[part] for label in labels),
            draws,
            recipe.loss_weights.in_order(),
            partial(_next, known),
        )
        (losses.loss * scale if scale != 1.0 else losses.loss).backward()
        total += paddle.stack([loss.detach() for loss in losses])
    return total


def _sums_over_batch(labels: Maps, uniform: Tensor, all_sum: Sum) -> list[Tensor]:
    """All that the losses sum over the global batch, in their order; it follows from the labels alone."""
    sums = []

    def remember(tensor: Tensor) -> Tensor:
        sums.append(all_sum(tensor))
        return sums[-1]

    iou_map, start, end = labels
    bmn_loss((paddle.stack([iou_map, iou_map], axis=1), start, end), labels, uniform, all_sum=remember)
    return sums


def _next(known: Iterator[Tensor], _: Tensor) -> Tensor:
    return next(known)


def _parts(videos: int, parts: int) -> Iterator[slice]:
    """Even slices of a share; as many as it has videos where these are fewer."""
    edges = np.linspace(0, videos, min(parts, videos) + 1).astype(int).tolist()
    return map(slice, edges, edges[1:])


def gradient_norm(parameters: list[Tensor]) -> float:
    """The L2 norm of all gradients together."""
    return float(paddle.sqrt(sum((parameter.grad**2).sum() for parameter in parameters)).item())


def multiply_gradients(parameters: list[Tensor], factor: float) -> None:
    """Multiply all gradients by a number."""
    if factor != 1.0:
        for parameter in parameters:
            paddle.assign(parameter.grad * factor, parameter.grad)
