import numpy as np
import paddle

from bmn.model import rows
from bmn.model.network import BMN


def test_a_batch_at_once_gives_what_video_by_video_gives(monkeypatch):
    """The CPU takes a batch apart, a GPU does not: both ways must agree, here on the CPU."""
    paddle.seed(2)
    network = BMN(8, 12, 9, 3, 2, 0.5)
    x = paddle.randn([3, 8, 12])

    def run():
        network.clear_gradients()
        outputs = network(x)
        sum(output.sum() for output in outputs).backward()
        return [*outputs, *(parameter.grad for parameter in network.parameters())]

    apart = [value.numpy() for value in run()]
    monkeypatch.setattr(rows, "_pieces", lambda table: [paddle.arange(table.shape[0], dtype="int32")])
    for one, other in zip(apart, run(), strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-6)


def test_the_same_step_twice_gives_the_same_bits():
    paddle.seed(2)
    network = BMN(8, 12, 9, 3, 2, 0.5)
    x = paddle.randn([3, 8, 12])
    gradients = []
    for _ in range(2):
        network.clear_gradients()
        sum(output.sum() for output in network(x)).backward()
        gradients.append([parameter.grad.numpy() for parameter in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_array_equal(one, other)
