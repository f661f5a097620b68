"""Mixed precision: the network in 16 bits; its sigmoids, the losses, the sum of gradients and the weights in 32 or 64.

On GPUs only: Paddle has no 16-bit convolution for CPUs, and its automatic casting does nothing there.
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
    """The context in which the network runs; gives the type that its input must have."""
    if precision == "off" or paddle.get_device() == "cpu":
        yield "float32"
        return
    dtype = _DTYPES[precision]
    # Casting by Paddle alone would not do: it casts in the forward pass only, and the network has operators that
    # differentiate themselves. It is here for the sigmoids, whose results near 1 need the bits.
    with weights_as(network, dtype), paddle.amp.auto_cast(dtype=dtype, custom_black_list={"sigmoid"}):
        yield dtype


@contextmanager
def weights_as(network: paddle.nn.Layer, dtype: str) -> Iterator[None]:
    """The network computes with weights and constants of another type; gradients arrive at its own weights."""
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
    """The factor of the loss that keeps float16 gradients above zero and below infinity (arXiv 1710.03740, 3.2).

    Our own, not Paddle's GradScaler: that one acts on GPUs only, keeps its state to itself, and looks for overflow
    on each process alone.

    Attributes:
        scale: 1 means that nothing is scaled: always so but for fp16.
        good: updates without overflow since it last changed.
    """

    scale: float = 1.0
    good: int = 0

    @classmethod
    def start(cls, precision: Precision) -> "LossScale":
        """The scale at the start of a training."""
        return cls(2.0**15 if precision == "fp16" else 1.0)

    def overflowed(self, finite: bool) -> bool:
        """Whether the gradients of this update are to be thrown away, after which the scale is half as large.

        A scale of 1 is never lowered: gradients that are not finite then are an error of another kind.
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
