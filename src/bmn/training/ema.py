"""An exponential moving average of the weights: less noisy than the weights, at the cost of one copy."""

from collections.abc import Iterator
from contextlib import contextmanager

from bmn.model.paddle import Tensor, paddle


class WeightAverage:
    """``average ← d · average + (1 − d) · weights`` after every update, starting from the initial weights.

    d is the smaller of ``decay`` and (1 + n) / (10 + n) after update n, so that the initial weights are soon forgotten
    (as in TensorFlow's ``ExponentialMovingAverage``).
    """

    def __init__(self, network: paddle.nn.Layer, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = dict(network.named_parameters())
        self.average = {name: weight.detach().clone() for name, weight in self.weights.items()}

    def update(self, number: int) -> None:
        """Include the weights after update ``number`` (from 1)."""
        decay = min(self.decay, (1 + number) / (10 + number))
        for name, weight in self.weights.items():
            average = self.average[name]
            paddle.assign(decay * average + (1.0 - decay) * weight.detach(), average)

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """Within this context the network holds the average; afterwards its own weights are restored."""
        own = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self._put(self.average)
        try:
            yield
        finally:
            self._put(own)

    def _put(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            paddle.assign(value, self.weights[name])
