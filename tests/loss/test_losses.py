import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.losses import published_losses
from reference import reference

from bmn.loss.losses import bmn_loss

FINITE = ["single", "batch3", "whole_video", "high_exceeds_middle"]
NOT_A_NUMBER = ["no_cell_above_0.9", "no_action"]


def case(name):
    arrays = np.load(reference("loss_cases.npz"))
    get = lambda key: paddle.to_tensor(arrays[f"{name}/{key}"])  # noqa: E731
    outputs = get("pred_bm"), get("pred_start"), get("pred_end")
    labels = get("gt_iou_map"), get("gt_start"), get("gt_end")
    return outputs, labels, paddle.stack([get("uniform_middle"), get("uniform_low")])


def golden_values(name):
    import json

    cases = json.loads(reference("loss_cases.json").read_text())
    return next(entry["values"] for entry in cases if entry["case"] == name)


@pytest.mark.parametrize("name", FINITE)
def test_equals_the_published_losses(name):
    losses = bmn_loss(*case(name))
    for part, value in golden_values(name).items():
        assert getattr(losses, part).item() == pytest.approx(value, rel=1e-5), part


@pytest.mark.parametrize("name", NOT_A_NUMBER)
def test_finite_where_the_published_losses_are_not(name):
    losses = bmn_loss(*case(name))
    for part, value in golden_values(name).items():
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
    ours = bmn_loss(as_tensors(outputs), as_tensors(labels), paddle.to_tensor(uniform))
    for part, value in published_losses(outputs, labels, uniform).items():
        if np.isfinite(value):
            assert getattr(ours, part).item() == pytest.approx(value, rel=1e-9), part
        else:
            assert np.isfinite(getattr(ours, part).item())


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_shares_of_processes_add_up_to_the_whole_batch(seed, batch):
    """Each share is given the sums of all: what an all-reduce over processes gives."""
    outputs, labels, uniform = random_case(seed, batch, 8, 8)
    uniform = paddle.to_tensor(uniform)
    shares = [slice(0, 1), slice(1, batch)]

    def record(local_sums, share):
        def all_sum(total):
            local_sums.append(total)
            return total

        bmn_loss(
            as_tensors([o[share] for o in outputs]), as_tensors([g[share] for g in labels]), uniform,
            all_sum=all_sum,
        )  # fmt: skip

    def loss_of(share, global_sums):
        sums = iter(global_sums)
        return bmn_loss(
            as_tensors([o[share] for o in outputs]), as_tensors([g[share] for g in labels]), uniform,
            all_sum=lambda total: next(sums),
        ).loss.item()  # fmt: skip

    # The sum of the sampling weights depends on the global counts, so it is recorded with those in place.
    whole_sums: list[paddle.Tensor] = []
    whole = bmn_loss(as_tensors(outputs), as_tensors(labels), uniform, all_sum=lambda t: whole_sums.append(t) or t)
    counted: list[list[paddle.Tensor]] = [[], []]
    for local_sums, share in zip(counted, shares, strict=True):
        record(local_sums, share)
    for index in (0, 1, 2, 4):  # the counts; 3 is the sum of the weights
        total = counted[0][index] + counted[1][index]
        np.testing.assert_allclose(total.numpy(), whole_sums[index].numpy())
    assert sum(loss_of(share, whole_sums) for share in shares) == pytest.approx(whole.loss.item(), rel=1e-9)


def test_gradient_reaches_every_output():
    outputs, labels, uniform = random_case(0, 2, 10, 6)
    tensors = as_tensors(outputs)
    for tensor in tensors:
        tensor.stop_gradient = False
    bmn_loss(tensors, as_tensors(labels), paddle.to_tensor(uniform)).loss.backward()
    for tensor in tensors:
        assert np.abs(tensor.grad.numpy()).max() > 0
