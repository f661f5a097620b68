from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import golden
import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.losses import published_losses

from bmn.loss.losses import bmn_loss
from bmn.loss.normalizers import Normalizers, normalizers


def loss_of(outputs, labels, uniform):
    """The losses of a batch that is all there is."""
    return bmn_loss(outputs, labels, uniform, normalizers(labels, uniform))


FINITE = ["single", "batch3", "whole_video", "high_exceeds_middle"]
NOT_A_NUMBER = ["no_cell_above_0.9", "no_action"]


def case(name):
    outputs, labels, uniform = golden.loss_case(name)
    tensors = [[paddle.to_tensor(array) for array in arrays] for arrays in (outputs, labels)]
    return *tensors, paddle.to_tensor(uniform)


@pytest.mark.parametrize("name", FINITE)
def test_equals_the_published_losses(name):
    losses = loss_of(*case(name))
    for part, value in golden.read("losses.json")[name].items():
        assert getattr(losses, part).item() == pytest.approx(value, rel=1e-5), part


@pytest.mark.parametrize("name", NOT_A_NUMBER)
def test_finite_where_the_published_losses_are_not(name):
    losses = loss_of(*case(name))
    for part, value in golden.read("losses.json")[name].items():
        ours = getattr(losses, part).item()
        assert np.isfinite(ours)
        if value is not None:
            assert ours == pytest.approx(value, rel=1e-5), part


def random_case(seed, batch, tscale, dscale):
    rng = np.random.default_rng(seed)
    outputs = [
        rng.uniform(0.02, 0.98, shape) for shape in [(batch, 2, dscale, tscale), (batch, tscale), (batch, tscale)]
    ]
    labels = [rng.random(shape) ** 2 for shape in [(batch, dscale, tscale), (batch, tscale), (batch, tscale)]]
    return outputs, labels, rng.random((2, dscale, tscale))


def as_tensors(arrays):
    return tuple(paddle.to_tensor(np.asarray(array, "float64")) for array in arrays)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 12), st.data())
def test_equals_the_oracle_at_any_size(seed, batch, tscale, data):
    dscale = data.draw(st.integers(1, tscale))
    outputs, labels, uniform = random_case(seed, batch, tscale, dscale)
    ours = loss_of(as_tensors(outputs), as_tensors(labels), paddle.to_tensor(uniform))
    for part, value in published_losses(outputs, labels, uniform).items():
        if np.isfinite(value):
            assert getattr(ours, part).item() == pytest.approx(value, rel=1e-9), part
        else:
            assert np.isfinite(getattr(ours, part).item())


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_shares_of_processes_add_up_to_the_whole_batch(seed, batch):
    outputs, labels, uniform = random_case(seed, batch, 8, 8)
    outputs, labels, uniform = as_tensors(outputs), as_tensors(labels), paddle.to_tensor(uniform)
    counts = normalizers(labels, uniform)
    shares = [
        tuple(tuple(each[part] for each in maps) for maps in (outputs, labels)) for part in (slice(1), slice(1, batch))
    ]
    whole = bmn_loss(outputs, labels, uniform, counts).loss.item()
    assert sum(bmn_loss(*share, uniform, counts).loss.item() for share in shares) == pytest.approx(whole, rel=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_processes_count_together_what_one_counts_alone(seed, batch):
    """Two threads stand for two processes: what each sums is the sum of both."""
    _, labels, uniform = random_case(seed, batch, 8, 6)
    labels, uniform = as_tensors(labels), paddle.to_tensor(uniform)
    together, given = Barrier(2, timeout=600), [None, None]

    def count(rank):
        def all_sum(tensor):
            given[rank] = tensor
            together.wait()
            total = given[0] + given[1]
            together.wait()
            return total

        share = slice(1) if rank == 0 else slice(1, batch)
        return normalizers(tuple(label[share] for label in labels), uniform, all_sum)

    with ThreadPoolExecutor(2) as processes:
        found = list(processes.map(count, range(2)))
    wanted = normalizers(labels, uniform)
    for counts in found:
        assert [count.item() for count in counts] == [count.item() for count in wanted]


def test_what_is_counted_by_hand():
    """T = 4, D = 2: seven valid cells, and one outside that must not count."""
    iou_map = [[[0.95, 0.8, 0.5, 0.0], [0.3, 0.7, 0.0, 1.0]]]
    start, end = [[0.6, 0.5, 0.0, 0.0]], [[0.6, 0.9, 1.0, 0.0]]
    found = normalizers(as_tensors([iou_map, start, end]), paddle.full([2, 2, 4], 0.5, "float64"))
    # A cell of the middle level is taken where 0.5 > 1 - 2 / 2: both; one of the low level where 0.5 > 1 - 2 / 3: all.
    wanted = Normalizers(1, 3, 3, 1, hits=1, misses=6, high=2, middle=2, low=3, sampled=7)
    assert Normalizers(*(count.item() for count in found)) == wanted


def test_gradient_reaches_every_output():
    outputs, labels, uniform = random_case(0, 2, 10, 6)
    tensors = as_tensors(outputs)
    for tensor in tensors:
        tensor.stop_gradient = False
    loss_of(tensors, as_tensors(labels), paddle.to_tensor(uniform)).loss.backward()
    for tensor in tensors:
        assert np.abs(tensor.grad.numpy()).max() > 0
