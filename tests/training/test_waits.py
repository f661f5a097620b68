"""A step uploads its batch, then reads from the device once: each waits until a GPU has done all that it was given."""

import numpy as np
import paddle
import pytest

from bmn.data.batches import Batch
from bmn.training.distributed import World
from bmn.training.loop import Trainer

UPLOADS = ["to_tensor"] * 4  # features, random numbers, segments and where the segments of each window are
READS = ("numpy", "item", "tolist", "cpu", "__array__", "__bool__", "__float__", "__int__", "__index__")


@pytest.fixture
def reads(monkeypatch):
    """The names of the functions that read or upload a tensor, in the order of the calls."""
    found, depth = [], []

    def counted(name, read):
        def call(tensor, *args, **kwargs):
            if not depth:
                found.append(name)
            depth.append(name)
            try:
                return read(tensor, *args, **kwargs)
            finally:
                depth.pop()

        return call

    for name in READS:
        monkeypatch.setattr(paddle.Tensor, name, counted(name, getattr(paddle.Tensor, name)))
    monkeypatch.setattr(paddle, "to_tensor", counted("to_tensor", paddle.to_tensor))
    return found


@pytest.mark.parametrize("choices", [{}, {"clip_norm": 1.0, "ema_decay": 0.9, "precision": "fp16"}])
def test_a_step_waits_for_the_device_once(reads, model, recipe, training, choices):
    trainer = Trainer(model, recipe.model_copy(update=choices), World(0, 1))
    rows = np.arange(recipe.batch_size)
    segments = np.tile([[0.1, 0.5]], (recipe.batch_size, 1, 1))
    batch = Batch(rows, training.store.read(rows), segments)
    trainer._step(batch, 1e-3, training, stop=False)  # the first one makes the optimizer's state
    reads.clear()
    trainer._step(batch, 1e-3, training, stop=False)
    assert reads == [*UPLOADS, "tolist"]


def test_a_read_is_seen(reads):
    tensor = paddle.ones([])
    assert bool(tensor > 0)
    assert float(tensor) + tensor.item() + tensor.numpy() == 3.0
    assert reads == ["__bool__", "__float__", "item", "numpy"]
