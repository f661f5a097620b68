"""The two forms of the network, with the same parameters, and a training step of each."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import paddle
from paddle import Tensor

from benchmarks.inputs import random_segments
from benchmarks.published import published_forward, sampling_matrix
from bmn.base.schema import ModelParams
from bmn.data.windows import pad
from bmn.loss.labels import label_maps
from bmn.loss.losses import bmn_loss
from bmn.loss.normalizers import normalizers
from bmn.model.network import BMN

FORMS = "ours", "published"
Forward = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
Step = Callable[[], None]


def make_network(model: ModelParams) -> BMN:
    """The network with weights from a fixed seed."""
    paddle.seed(1)
    return BMN(**model.model_dump())


def forward_of(form: str, network: BMN) -> Forward:
    """A network's forward in one of the two forms."""
    if form == "ours":
        return network
    matrix = _matrix(
        network.tscale,
        network.dscale,
        network.num_sample,
        network.num_sample_perbin,
        network.prop_boundary_ratio,
    )
    return lambda x: published_forward(network, matrix, x)


@lru_cache(maxsize=1)
def _matrix(tscale: int, dscale: int, num_sample: int, num_sample_perbin: int, ratio: float) -> Tensor:
    matrix = sampling_matrix(tscale, dscale, num_sample, num_sample_perbin, ratio)
    return paddle.to_tensor(matrix.reshape(tscale, -1))


def features(network: BMN, batch: int) -> Tensor:
    """Features of a batch, ``[batch, channel, snippet]``."""
    shape = batch, network.feat_dim, network.tscale
    return paddle.to_tensor(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def training_step(network: BMN, form: str, batch: int) -> Step:
    """Forward, losses, backward and Adam, the last three identical for both forms; labels are precomputed."""
    forward = forward_of(form, network)
    x = features(network, batch)
    labels = label_maps(pad(random_segments(batch)), network.tscale, network.dscale)
    uniform = paddle.rand([2, network.dscale, network.tscale])
    optimizer = paddle.optimizer.Adam(
        learning_rate=1e-3, parameters=network.parameters(), weight_decay=paddle.regularizer.L2Decay(1e-4)
    )

    def step() -> None:
        bmn_loss(forward(x), labels, uniform, normalizers(labels, uniform)).loss.backward()
        optimizer.step()
        optimizer.clear_grad()

    return step


def wait_for(device: str) -> Callable[[], None]:
    """A function that waits for the device, because GPUs work asynchronously."""
    return paddle.device.cuda.synchronize if device.startswith("gpu") else lambda: None
