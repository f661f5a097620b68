import numpy as np
import paddle
import pytest

from bmn.model.network import BMN
from bmn.training.precision import LossScale, autocast


@pytest.mark.parametrize("precision", ["off", "bf16"])
def test_without_fp16_nothing_is_scaled_and_nothing_is_forgiven(precision):
    scale = LossScale.start(precision)
    assert scale.scale == 1.0
    assert not scale.overflowed(finite=False)
    assert scale == LossScale()


def test_overflow_halves_the_scale_and_long_peace_doubles_it():
    scale = LossScale.start("fp16")
    first = scale.scale
    assert scale.overflowed(finite=False)
    assert scale.scale == first / 2
    assert not any(scale.overflowed(finite=True) for _ in range(1999))
    assert scale.scale == first / 2
    scale.overflowed(finite=True)
    assert scale == LossScale(first, 0)


def test_overflow_without_end_is_an_error_at_last():
    scale = LossScale(4.0)
    assert [scale.overflowed(finite=False) for _ in range(3)] == [True, True, False]


@pytest.mark.skipif(paddle.is_compiled_with_cuda(), reason="tells what Paddle does on a CPU")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_on_a_cpu_paddle_computes_in_32_bits_whatever_is_asked(precision):
    network = BMN(4, 8, 6, 2, 2, 0.5)
    x = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 4, 8)).astype("float32"))
    plain = network(x)
    with autocast(precision):
        cast = network(x)
    for one, other in zip(cast, plain, strict=True):
        assert one.dtype == paddle.float32
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.skipif(not paddle.is_compiled_with_cuda(), reason="Paddle casts on GPUs only")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_on_a_gpu_gradients_are_those_of_32_bits_to_16_bit_rounding(precision):
    network = BMN(8, 16, 12, 4, 2, 0.5)
    x = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 8, 16)).astype("float32"))

    def gradient(mode):
        with autocast(mode):
            outputs = network(x)
        sum(output.astype("float32").mean() for output in outputs).backward()
        found = network.p_conv1.weight.grad.numpy()
        network.clear_gradients()
        return found

    plain = gradient("off")
    np.testing.assert_allclose(gradient(precision), plain, atol=0.05 * np.abs(plain).max())
