import numpy as np
import paddle
import pytest

from bmn.training.ema import WeightAverage


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_it_equals_its_definition(decay):
    paddle.seed(0)
    network = paddle.nn.Linear(3, 2)
    average = WeightAverage(network, decay)
    expected = network.weight.numpy().astype("float64")
    for number in range(1, 40):
        new = np.random.default_rng(number).normal(size=(3, 2)).astype("float32")
        network.weight.set_value(new)
        average.update(number)
        d = min(decay, (1 + number) / (10 + number))
        expected = d * expected + (1 - d) * new
    np.testing.assert_allclose(average.average["weight"].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_network_holds_it_in_the_context_only_even_after_an_error():
    network = paddle.nn.Linear(3, 2)
    average = WeightAverage(network, 0.5)
    before = average.average["weight"].numpy()
    network.weight.set_value(before + 1)

    def use_it_and_fail():
        with average.in_network():
            np.testing.assert_array_equal(network.weight.numpy(), before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use_it_and_fail()
    np.testing.assert_array_equal(network.weight.numpy(), before + 1)
