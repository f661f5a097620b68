import itertools

import golden
import numpy as np
import paddle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles.network import network_matrix, published_forward

from bmn.loss.labels import label_maps
from bmn.loss.losses import bmn_loss
from bmn.loss.normalizers import normalizers
from bmn.model.network import BMN


def triangle(tscale, dscale):
    return np.add.outer(np.arange(dscale), np.arange(tscale)) < tscale


def largest_gap(ours, theirs):
    """The largest difference relative to the largest entry."""
    return np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-30)


@pytest.fixture
def double_precision():
    """Makes Paddle's tensors float64, so that rounding does not decide on which side of 0 a ReLU's input lies."""
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype("float32")


def golden_network():
    network = BMN(400, 100, 100, 32, 3, 0.5)
    assert network.set_state_dict({name: as_tensor(array) for name, array in golden.weights().items()}) == ([], [])
    return network


def as_tensor(array):
    return paddle.to_tensor(array.astype(paddle.get_default_dtype()))


def test_forward_equals_the_published_outputs():
    expected = golden.arrays("network")
    with paddle.no_grad():
        confidence, start, end = (out.numpy() for out in golden_network()(as_tensor(golden.feature())))
    valid = triangle(100, 100)
    np.testing.assert_allclose(confidence[..., valid], expected["pred_bm"][..., valid], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(start, expected["pred_start"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(end, expected["pred_end"], rtol=1e-5, atol=1e-6)
    assert not confidence[..., ~valid].any()


def test_the_loss_and_its_gradients_equal_the_published_ones(double_precision):
    expected, network = golden.arrays("network"), golden_network()
    video = golden.read("gradient_video.json")
    segments = np.array([annotation["segment"] for annotation in video["annotations"]]) / video["duration_second"]
    labels = [label.astype("float64") for label in label_maps(segments[None], 100, 100)]
    x, uniform = as_tensor(golden.feature()), as_tensor(golden.uniform())
    x.stop_gradient = False
    loss = bmn_loss(network(x), labels, uniform, normalizers(labels, uniform)).loss
    loss.backward()
    assert loss.item() == pytest.approx(expected["loss"].item(), rel=1e-6)
    for name, tensor in [("x", x), *network.named_parameters()]:
        assert largest_gap(golden.sample(tensor.grad.numpy()), expected[f"gradient/{name}"]) < 1e-5, name


def test_state_dict_is_the_published_one():
    network = BMN(400, 100, 100, 32, 3, 0.5)
    assert {name: list(value.shape) for name, value in network.state_dict().items()} == golden.PARAMETERS


def test_initial_values_are_the_published_ones():
    paddle.seed(0)
    network = BMN(400, 8, 8, 4, 1, 0.5)
    for layer, bound in (
        (network.b_conv1, 1 / np.sqrt(400 * 3)),
        (network.b_conv2, 1 / np.sqrt(256 * 3)),
        (network.ts_conv2, 1 / np.sqrt(256)),
        (network.p_conv1, 1 / np.sqrt(256 * 3)),
    ):
        weight, bias = layer.weight.numpy(), layer.bias.numpy()
        assert 0.8 * bound < np.abs(weight).max() <= bound
        assert np.abs(weight.mean()) < 0.2 * bound
        assert 0 < np.abs(bias).max() <= bound
    for layer, fan_in in ((network.p_conv3d1, 128 * 4), (network.p_conv2d1, 512), (network.p_conv2d2, 128 * 9)):
        assert layer.weight.numpy().std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.1)
        assert not layer.bias.numpy().any()


@st.composite
def sizes(draw):
    tscale = draw(st.integers(1, 27))
    return {
        "tscale": tscale,
        "dscale": draw(st.integers(1, tscale)),
        "num_sample": draw(st.integers(1, 5)),
        "num_sample_perbin": draw(st.integers(1, 3)),
        "prop_boundary_ratio": draw(st.sampled_from([0.0, 0.25, 0.5, 1.0])),
    }


def outputs_and_gradients(forward, network, x, upstream):
    """Valid cells of the map, start, end; then the gradients at ``x`` and at every parameter."""
    valid = triangle(network.tscale, network.dscale)
    x = paddle.to_tensor(x, stop_gradient=False)
    network.clear_gradients()
    outputs = forward(x)
    sum((out * paddle.to_tensor(up)).sum() for out, up in zip(outputs, upstream, strict=True)).backward()
    values = [outputs[0].numpy()[..., valid], outputs[1].numpy(), outputs[2].numpy()]
    gradients = {"x": x.grad.numpy()}
    gradients |= {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}
    return values, gradients


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes(), st.integers(1, 3), st.integers(0, 2**31 - 1))
def test_values_and_gradients_equal_the_published_form(double_precision, size, batch, seed):
    check_against_the_published_form(size, batch, seed, tolerance=1e-6)


def test_values_and_gradients_equal_the_published_form_in_single_precision():
    size = {"tscale": 23, "dscale": 19, "num_sample": 4, "num_sample_perbin": 2, "prop_boundary_ratio": 0.5}
    check_against_the_published_form(size, batch=2, seed=5, tolerance=1e-4)


def randomise_biases(network, random):
    """With biases of 0 the constants outside the triangle are 0 as well, just where a ReLU has no derivative."""
    for bias in (parameter for name, parameter in network.named_parameters() if name.endswith("bias")):
        bias.set_value(random.normal(0, 0.3, bias.shape).astype(paddle.get_default_dtype()))


def check_against_the_published_form(size, batch, seed, tolerance):
    dtype = paddle.get_default_dtype()
    paddle.seed(seed)
    random = np.random.default_rng(seed)
    network = BMN(8, **size)
    randomise_biases(network, random)
    matrix = network_matrix(network).astype(dtype)
    tscale, dscale = size["tscale"], size["dscale"]
    x = random.normal(size=(batch, 8, tscale)).astype(dtype)
    upstream = [
        random.normal(size=(batch, 2, dscale, tscale)) * triangle(tscale, dscale),
        random.normal(size=(batch, tscale)),
        random.normal(size=(batch, tscale)),
    ]
    upstream = [up.astype(dtype) for up in upstream]
    ours = outputs_and_gradients(network, network, x, upstream)
    theirs = outputs_and_gradients(lambda x: published_forward(network, matrix, x), network, x, upstream)
    for a, b in zip(ours[0], theirs[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for name in theirs[1]:
        assert largest_gap(ours[1][name], theirs[1][name]) < tolerance, name


def test_gradients_equal_finite_differences(double_precision):
    paddle.seed(3)
    random = np.random.default_rng(3)
    network = BMN(4, 5, 4, 2, 2, 0.5)
    randomise_biases(network, random)
    x = paddle.to_tensor(random.normal(size=(2, 4, 5)), stop_gradient=False)
    weights = [paddle.to_tensor(random.normal(size=out.shape)) for out in network(x)]

    def loss():
        return sum((out * weight).sum() for out, weight in zip(network(x), weights, strict=True))

    loss().backward()
    step = 1e-6
    for name, tensor in [("x", x), *network.named_parameters()]:
        analytic = tensor.grad.numpy().ravel()
        kept = tensor.numpy()
        for index in random.choice(kept.size, min(4, kept.size), replace=False):
            values = []
            for sign in (1, -1):
                moved = kept.copy()
                moved.flat[index] += sign * step
                tensor.set_value(moved)
                with paddle.no_grad():
                    values.append(loss().item())
            tensor.set_value(kept)
            assert (values[0] - values[1]) / (2 * step) == pytest.approx(analytic[index], rel=1e-5, abs=1e-7), name


def test_exported_program_equals_the_network_for_any_batch(tmp_path):
    paddle.seed(1)
    network = BMN(8, 13, 7, 3, 2, 0.5)
    network.eval()
    spec = [paddle.static.InputSpec([None, 8, 13], "float32", "x")]
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), str(tmp_path / "BMN"))
    program = next(path for path in tmp_path.iterdir() if path.suffix in {".json", ".pdmodel"})
    config = paddle.inference.Config(str(program), str(tmp_path / "BMN.pdiparams"))
    config.disable_glog_info()
    predictor = paddle.inference.create_predictor(config)
    for batch in (1, 3):
        x = np.random.default_rng(batch).normal(size=(batch, 8, 13)).astype(np.float32)
        predictor.get_input_handle(predictor.get_input_names()[0]).copy_from_cpu(x)
        predictor.run()
        exported = [predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()]
        with paddle.no_grad():
            expected = BMN.forward(network, paddle.to_tensor(x))
        for ours, theirs in itertools.zip_longest(exported, expected):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-6)
