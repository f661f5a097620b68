"""The gradient of a global batch, accumulated over micro-batches by processes that each hold a share of it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bmn.base.schema import TrainParams
from bmn.data.batches import Batch
from bmn.loss.labels import label_maps
from bmn.loss.losses import Losses, bmn_loss
from bmn.loss.normalizers import normalizers
from bmn.model.network import BMN
from bmn.model.paddle import Tensor, paddle
from bmn.training.precision import precision_of

Sum = Callable[[Tensor], Tensor]


def batch_gradient(
    network: BMN, batch: Batch, uniform: NDArray[np.float32], recipe: TrainParams, all_sum: Sum, scale: float
) -> tuple[Tensor, Tensor]:
    """The gradient of a global batch, of which this process holds a share.

    The share is accumulated over micro-batches of ``recipe.micro_batch_size`` videos. The losses are divided by the
    counts of the global batch, so micro-batches add up to what one process would compute at once. Their float32
    gradients are summed in float64, where the order of summation does not show. So the result is bit-identical for any
    number of processes, provided that every share consists of whole micro-batches.

    Args:
        batch: this process's share.
        uniform: ``[2, duration, start]`` (:func:`bmn.loss.normalizers.sampling_weights`).
        all_sum: sums a tensor over the processes.
        scale: factor of the gradient, against underflow; the losses returned are not scaled.

    Returns:
        ``[4]``, float64: loss, tem_loss, pem_reg_loss, pem_cls_loss; and ``[parameter]``, float64: the concatenated
        gradient of all parameters, times ``scale``. Both of the global batch.
    """
    # Uploads before the network runs: each waits for what the device has still to do.
    features, draws = paddle.to_tensor(batch.features), paddle.to_tensor(uniform)
    labels = label_maps(batch.segments, network.tscale, network.dscale, recipe.scale_invariant)
    divisors = normalizers(labels, draws, all_sum)
    parameters = network.parameters()
    gradient = paddle.zeros([sum(int(parameter.size) for parameter in parameters)], "float64")
    values = paddle.zeros([len(Losses._fields)], "float64")
    for first in range(0, len(batch.rows), recipe.micro_batch_size):
        part = slice(first, first + recipe.micro_batch_size)
        with precision_of(network, recipe.precision) as dtype:
            outputs = network(features[part].astype(dtype))
        losses = bmn_loss(
            tuple(output.astype("float32") for output in outputs),
            tuple(label[part] for label in labels),
            draws,
            divisors,
            recipe.loss_weights.in_order(),
        )
        (losses.loss * scale if scale != 1.0 else losses.loss).backward()
        gradient += paddle.concat([parameter.grad.flatten() for parameter in parameters]).astype("float64")
        values += paddle.stack([loss.detach() for loss in losses]).astype("float64")
        network.clear_gradients()
    return all_sum(values), all_sum(gradient)


def set_gradient(parameters: list[Tensor], gradient: Tensor) -> None:
    """Assign every parameter its part of a gradient ``[parameter]``, in float32, for the optimizer."""
    parts = paddle.split(gradient.astype("float32"), [int(parameter.size) for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        paddle.assign(part.reshape(parameter.shape), parameter.grad)
