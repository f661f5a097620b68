import numpy as np
import paddle
import pytest

from bmn.data.batches import load_batches
from bmn.model.losses import alone
from bmn.model.network import BMN
from bmn.training.gradients import add_gradients, gradient_norm, multiply_gradients


@pytest.fixture
def network(model):
    paddle.seed(3)
    return BMN(**model.model_dump())


@pytest.fixture
def batch(training):
    [found] = load_batches(training.store, training.segments, [np.arange(8)])
    return found


def gradients(network, batch, recipe, scale=1.0, **changes):
    uniform = np.random.default_rng(0).random((2, network.dscale, network.tscale), dtype=np.float32)
    losses = add_gradients(network, batch, uniform, recipe.model_copy(update=changes), alone, scale).numpy()
    found = {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}
    network.clear_gradients()
    return losses, found


@pytest.mark.parametrize("parts", [2, 3, 8, 20])
def test_parts_of_a_batch_add_up_to_the_whole(network, batch, recipe, parts):
    losses, whole = gradients(network, batch, recipe)
    part_losses, added = gradients(network, batch, recipe, accumulation=parts)
    np.testing.assert_allclose(part_losses, losses, rtol=1e-5)
    for name, gradient in whole.items():
        np.testing.assert_allclose(added[name], gradient, rtol=1e-4, atol=1e-5 * np.abs(gradient).max(), err_msg=name)


def test_a_scale_multiplies_the_gradients_and_not_the_losses(network, batch, recipe):
    losses, plain = gradients(network, batch, recipe)
    same, scaled = gradients(network, batch, recipe, scale=1024.0)
    np.testing.assert_array_equal(same, losses)
    for name, gradient in plain.items():
        np.testing.assert_allclose(scaled[name], 1024 * gradient, rtol=1e-5, atol=1e-4 * np.abs(gradient).max())


def test_the_norm_and_a_multiple(network, batch, recipe):
    _, found = gradients(network, batch, recipe)
    add_gradients(network, batch, np.zeros((2, network.dscale, network.tscale), "float32"), recipe, alone, 1.0)
    for name, parameter in network.named_parameters():
        paddle.assign(paddle.to_tensor(found[name]), parameter.grad)
    norm = np.sqrt(sum((gradient.astype("float64") ** 2).sum() for gradient in found.values()))
    assert gradient_norm(network.parameters()) == pytest.approx(norm, rel=1e-5)
    multiply_gradients(network.parameters(), 0.25)
    assert gradient_norm(network.parameters()) == pytest.approx(norm / 4, rel=1e-5)
