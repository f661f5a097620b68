"""Mixed precision: the network in 16 bits where that is safe, losses, gradients' sum, weights and update in 32.

Paddle's automatic casting acts on GPUs only; on a CPU it warns and changes nothing.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import paddle

Precision = Literal["off", "bf16", "fp16"]
_DTYPES = {"bf16": "bfloat16", "fp16": "float16"}
_RAISE_AFTER = 2000  # updates in a row without overflow
_FLOAT32 = ("reduce_mean", "mean", "sigmoid")  # beside Paddle's own list


def autocast(precision: Precision) -> AbstractContextManager[None]:
    """The context in which the network runs."""
    if precision == "off":
        return nullcontext()
    return paddle.amp.auto_cast(dtype=_DTYPES[precision], custom_black_list=_FLOAT32)  # type: ignore[no-any-return]


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
