"""Mixed precision: the network in 16 bits; its sigmoids, losses, gradient sums and master weights in 32 or 64.

On GPUs only: Paddle has no 16-bit convolution for CPUs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from bmn.model.paddle import paddle

Precision = Literal["off", "bf16", "fp16"]
_DTYPES = {"bf16": "bfloat16", "fp16": "float16"}
_RAISE_AFTER = 2000  # updates in a row without overflow


@contextmanager
def precision_of(network: paddle.nn.Layer, precision: Precision) -> Iterator[str]:
    """The context in which to run the network; yields the dtype that its input must have."""
    if precision == "off" or network.parameters()[0].place.is_cpu_place():
        yield "float32"
        return
    dtype = _DTYPES[precision]
    # Not auto_cast: it gathers rows in 32 bits, twice as many bytes, and does not reach custom backward passes.
    with weights_as(network, dtype):
        yield dtype


@contextmanager
def weights_as(network: paddle.nn.Layer, dtype: str) -> Iterator[None]:
    """Within this context the network computes in another dtype; gradients flow to its own weights."""
    tables = [table for layer in network.sublayers(include_self=True) for table in (layer._parameters, layer._buffers)]
    own = [(table, name, value) for table in tables for name, value in table.items() if value.dtype == paddle.float32]
    for table, name, value in own:
        table[name] = value.astype(dtype)
    try:
        yield
    finally:
        for table, name, value in own:
            table[name] = value


@dataclass
class LossScale:
    """Dynamic loss scaling, which keeps float16 gradients from under- and overflowing (arXiv 1710.03740, 3.2).

    Our own, because Paddle's GradScaler works on GPUs only, hides its state, and detects overflow on each process
    separately.

    Attributes:
        scale: the loss is multiplied by it; always 1, except for fp16.
        good: updates without overflow since the scale last changed.
    """

    scale: float = 1.0
    good: int = 0

    @classmethod
    def start(cls, precision: Precision) -> "LossScale":
        """The initial scale of a training."""
        return cls(2.0**15 if precision == "fp16" else 1.0)

    def overflowed(self, finite: bool) -> bool:
        """Whether to discard the gradients of this update, in which case the scale is halved.

        A scale of 1 is never lowered: non-finite gradients are then a different kind of error.
        """
        if self.scale == 1.0:
            return False
        if not finite:
            self.scale, self.good = self.scale / 2, 0
            return True
        self.good += 1
        if self.good == _RAISE_AFTER:
            self.scale, self.good = self.scale * 2, 0
        return False
