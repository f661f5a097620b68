"""An exponential moving average of the weights: less noise than the weights themselves, for one more copy of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from bmn.model.paddle import Tensor, paddle


class WeightAverage:
    """``average ← d · average + (1 − d) · weights`` after every update, from the initial weights on.

    d is ``decay``, but (1 + n) / (10 + n) after update n where that is smaller, so that the initial weights are
    soon forgotten (as TensorFlow's ``ExponentialMovingAverage`` does).
    """

    def __init__(self, network: paddle.nn.Layer, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = dict(network.named_parameters())
        self.average = {name: weight.detach().clone() for name, weight in self.weights.items()}

    def update(self, number: int) -> None:
        """Take in the weights after update ``number`` (from 1)."""
        decay = min(self.decay, (1 + number) / (10 + number))
        for name, weight in self.weights.items():
            average = self.average[name]
            paddle.assign(decay * average + (1.0 - decay) * weight.detach(), average)

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """The network holds the average in this context, and its own weights again after it."""
        own = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self._put(self.average)
        try:
            yield
        finally:
            self._put(own)

    def _put(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            paddle.assign(value, self.weights[name])
