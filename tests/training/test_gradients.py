import numpy as np
import paddle
import pytest

from bmn.data.batches import load_batches
from bmn.loss.normalizers import alone
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


@pytest.mark.parametrize("videos", [1, 3, 4, 20])
def test_micro_batches_add_up_to_the_whole(network, batch, recipe, videos):
    losses, whole = gradient(network, batch, recipe, micro_batch_size=8)
    part_losses, added = gradient(network, batch, recipe, micro_batch_size=videos)
    np.testing.assert_allclose(part_losses, losses, rtol=1e-5)
    np.testing.assert_allclose(added, whole, rtol=1e-4, atol=1e-6 * np.abs(whole).max())


@pytest.mark.parametrize(("videos", "scale_invariant"), [(1, False), (2, True), (4, False)])
def test_it_does_not_matter_who_computes_a_micro_batch(network, batch, training, recipe, videos, scale_invariant):
    """Two processes in turn: each keeps what it would send and is told the sums of both."""
    recipe = recipe.model_copy(update={"micro_batch_size": videos, "scale_invariant": scale_invariant})
    losses, whole = gradient(network, batch, recipe)
    shares = [next(load_batches(training.store, training.segments, [rows])) for rows in np.split(batch.rows, 2)]
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
    while not sums or len(sums) < len(sent[0]):  # one sum more is known in every round
        for rank, share in enumerate(shares):
            sent[rank].clear()
            batch_gradient(network, share, uniform, recipe, meet(rank), 1.0)
        sums.append(sent[0][len(sums)] + sent[1][len(sums)])
    np.testing.assert_array_equal(sums[-2].numpy().astype("float32"), losses.astype("float32"))
    np.testing.assert_array_equal(sums[-1].numpy().astype("float32"), whole.astype("float32"))


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
