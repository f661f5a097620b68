from contextlib import nullcontext

import numpy as np
import paddle
import pytest

from bmn.model.network import BMN
from bmn.training.precision import LossScale, precision_of, weights_as


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


def gradients(network, context, dtype):
    x = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 8, 16)).astype("float32"))
    with context:
        outputs = network(x.astype(dtype))
    sum((output.astype("float32") ** 2).mean() for output in outputs).backward()
    found = {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}
    network.clear_gradients()
    return found, [output.dtype for output in outputs]


@pytest.fixture
def network(model):
    return BMN(**model.model_dump())


def test_in_another_type_it_computes_throughout_and_its_own_weights_get_the_gradients(network):
    """64 bits stand for 16 here, which no CPU has; forth and back every operator must keep to the type."""
    plain, _ = gradients(network, nullcontext(), "float32")
    cast, dtypes = gradients(network, weights_as(network, "float64"), "float64")
    assert set(dtypes) == {paddle.float64}
    assert {parameter.dtype for parameter in network.parameters()} == {paddle.float32}
    for name, gradient in plain.items():
        assert cast[name].dtype == np.float32
        np.testing.assert_allclose(cast[name], gradient, rtol=1e-3, atol=1e-5 * np.abs(gradient).max(), err_msg=name)


@pytest.mark.skipif(paddle.device.cuda.device_count() > 0, reason="tells what happens on a CPU")
@pytest.mark.parametrize("precision", ["off", "bf16", "fp16"])
def test_a_cpu_computes_in_32_bits_whatever_is_asked(network, precision):
    with precision_of(network, precision) as dtype:
        assert dtype == "float32"
        assert {parameter.dtype for parameter in network.parameters()} == {paddle.float32}


@pytest.mark.skipif(paddle.device.cuda.device_count() == 0, reason="needs a GPU, which alone has 16 bits")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_on_a_gpu_gradients_are_those_of_32_bits_to_16_bit_rounding(network, precision):
    plain, _ = gradients(network, nullcontext(), "float32")
    cast, dtypes = gradients(
        network, precision_of(network, precision), {"bf16": "bfloat16", "fp16": "float16"}[precision]
    )
    assert set(dtypes) == {paddle.float32}
    for name, gradient in plain.items():
        np.testing.assert_allclose(cast[name], gradient, atol=0.05 * np.abs(gradient).max(), err_msg=name)
