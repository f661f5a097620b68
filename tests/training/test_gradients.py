import numpy as np
import paddle
import pytest

from bmn.data.batches import load_batches
from bmn.model.losses import alone
from bmn.model.network import BMN
from bmn.training.gradients import batch_gradient, set_gradient


@pytest.fixture
def network(model):
    paddle.seed(3)
    return BMN(**model.model_dump())


@pytest.fixture
def batch(training):
    [found] = load_batches(training.store, training.segments, [np.arange(8)])
    return found


def gradient(network, batch, recipe, scale=1.0, **changes):
    uniform = np.random.default_rng(0).random((2, network.dscale, network.tscale), dtype=np.float32)
    recipe = recipe.model_copy(update=changes)
    return [found.numpy() for found in batch_gradient(network, batch, uniform, recipe, alone, scale)]


@pytest.mark.parametrize("parts", [2, 3, 8, 20])
def test_parts_of_a_batch_add_up_to_the_whole(network, batch, recipe, parts):
    losses, whole = gradient(network, batch, recipe)
    part_losses, added = gradient(network, batch, recipe, accumulation=parts)
    np.testing.assert_allclose(part_losses, losses, rtol=1e-5)
    np.testing.assert_allclose(added, whole, rtol=1e-4, atol=1e-6 * np.abs(whole).max())


def test_with_parts_of_one_video_it_does_not_matter_who_computes_them(network, batch, training, recipe):
    """Two processes in turn: each keeps what it would send and is told the sums of both."""
    _, whole = gradient(network, batch, recipe, accumulation=8)
    shares = [next(load_batches(training.store, training.segments, [batch.rows[rank::2]])) for rank in (0, 1)]
    sent: list[list] = [[], []]
    sums: list = []

    def meet(rank):
        place = iter(range(10**6))

        def all_sum(tensor):
            number = next(place)
            sent[rank].append(tensor)
            return sums[number] if number < len(sums) else tensor

        return all_sum

    uniform = np.random.default_rng(0).random((2, network.dscale, network.tscale), dtype=np.float32)
    single = recipe.model_copy(update={"accumulation": 4})
    while not sums or len(sums) < len(sent[0]):  # one sum more is known in every round
        for rank, share in enumerate(shares):
            sent[rank].clear()
            batch_gradient(network, share, uniform, single, meet(rank), 1.0)
        sums.append(sent[0][len(sums)] + sent[1][len(sums)])
    np.testing.assert_allclose(sums[-1].numpy(), whole, rtol=1e-7, atol=1e-12)


def test_a_scale_multiplies_the_gradient_and_not_the_losses(network, batch, recipe):
    losses, plain = gradient(network, batch, recipe)
    same, scaled = gradient(network, batch, recipe, scale=1024.0)
    np.testing.assert_array_equal(same, losses)
    np.testing.assert_allclose(scaled, 1024 * plain, rtol=1e-5, atol=1e-4 * np.abs(plain).max())


def test_every_parameter_gets_its_part(network, batch, recipe):
    _, whole = gradient(network, batch, recipe)
    set_gradient(network.parameters(), paddle.to_tensor(whole))
    parts = [parameter.grad.numpy().ravel() for parameter in network.parameters()]
    np.testing.assert_array_equal(np.concatenate(parts), whole.astype("float32"))
