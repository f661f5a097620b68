"""The scale-invariant loss against its oracle, by finite differences, and where segments differ in length."""

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.scale import scale_invariant_loss

from bmn.data.windows import pad
from bmn.loss.labels import label_maps
from bmn.loss.losses import bmn_loss, pem_cls_loss
from bmn.loss.normalizers import normalizers

ticks = st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(lambda pair: pair[0] < pair[1])
windows = st.lists(st.lists(ticks.map(lambda pair: (pair[0] / 40, pair[1] / 40)), max_size=4), min_size=1, max_size=3)


def labels_of(batch, tscale, dscale, scale_invariant=True):
    segments = pad([np.array(one, "float64").reshape(-1, 2) for one in batch])
    return tuple(label.astype("float64") for label in label_maps(segments, tscale, dscale, scale_invariant))


def loss_of(classification, labels):
    uniform = paddle.full([2, *labels[0].shape[1:]], 0.5, "float64")
    return pem_cls_loss(classification, labels[0], normalizers(labels, uniform), labels[3])


def probabilities(batch, tscale, dscale, seed=0):
    return np.random.default_rng(seed).uniform(0.02, 0.98, (len(batch), dscale, tscale))


@given(windows, st.sampled_from([1, 5, 8, 11]), st.data())
def test_it_equals_the_oracle(batch, tscale, data):
    dscale = data.draw(st.integers(1, tscale))
    scores = probabilities(batch, tscale, dscale)
    found = loss_of(paddle.to_tensor(scores), labels_of(batch, tscale, dscale)).item()
    assert found == pytest.approx(scale_invariant_loss(scores, batch, tscale, dscale), rel=1e-5)


def test_its_gradient_is_that_of_finite_differences():
    batch = [[(0.1, 0.4), (0.5, 1.0)], [(0.0, 0.8)], []]
    labels, scores = labels_of(batch, 10, 7), probabilities(batch, 10, 7)
    tensor = paddle.to_tensor(scores, stop_gradient=False)
    loss_of(tensor, labels).backward()
    for cell in np.ndindex(*scores.shape):
        step = np.zeros_like(scores)
        step[cell] = 1e-6
        above, below = (loss_of(paddle.to_tensor(scores + sign * step), labels).item() for sign in (1, -1))
        assert tensor.grad.numpy()[cell] == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-8)


def test_segments_count_the_same_whatever_their_length():
    """T = 20: the long segment has 8 cells above 0.9, the short one only its own."""
    labels = labels_of([[(0.0, 0.1), (0.2, 1.0)]], 20, 20)
    iou_map, weights = labels[0].numpy()[0], labels[3].numpy()[0]
    hits = iou_map > 0.9
    short = np.zeros_like(hits)
    short[1, 0] = True  # two snippets, from the first
    assert weights[short].tolist() == [1.0]
    assert (hits & ~short).sum() > 1
    assert weights[hits & ~short].sum() == pytest.approx(1)
    valid = np.add.outer(np.arange(20), np.arange(20)) < 20
    assert weights[valid & ~hits].sum() == pytest.approx(2)
    assert not weights[~valid].any()


def test_shares_of_a_batch_add_up_and_the_other_losses_do_not_notice():
    batch = [[(0.1, 0.4)], [(0.0, 0.8), (0.85, 1.0)], [(0.5, 0.9)]]
    rng = np.random.default_rng(1)
    outputs = [paddle.to_tensor(rng.uniform(0.02, 0.98, shape)) for shape in [(3, 2, 9, 10), (3, 10), (3, 10)]]
    uniform = paddle.to_tensor(rng.random((2, 9, 10)))
    labels, plain = labels_of(batch, 10, 9), labels_of(batch, 10, 9, scale_invariant=False)
    counts = normalizers(labels, uniform)
    assert [one.item() for one in counts] == [one.item() for one in normalizers(plain, uniform)]
    whole, published = bmn_loss(outputs, labels, uniform, counts), bmn_loss(outputs, plain, uniform, counts)
    assert whole.pem_cls_loss.item() != published.pem_cls_loss.item()
    assert (whole.tem_loss.item(), whole.pem_reg_loss.item()) == (
        published.tem_loss.item(), published.pem_reg_loss.item(),
    )  # fmt: skip
    parts = [
        bmn_loss([each[part] for each in outputs], tuple(each[part] for each in labels), uniform, counts).loss.item()
        for part in (slice(1), slice(1, 3))
    ]
    assert sum(parts) == pytest.approx(whole.loss.item(), rel=1e-9)
