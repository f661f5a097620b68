import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from bmn.model import rows, triangle, winograd
from bmn.model.network import BMN


@pytest.mark.parametrize(("tscale", "dscale"), [(1, 1), (2, 2), (5, 4), (8, 5), (9, 9), (12, 12), (13, 1), (14, 3)])
def test_a_convolution_in_blocks_is_that_of_the_map_and_so_are_its_gradients(tscale, dscale):
    cells = 1 + np.arange(dscale * tscale, dtype=np.int32).reshape(dscale, tscale)
    blocks = triangle._blocks(tscale, dscale, margin=0)
    neighbours = [paddle.to_tensor(ids) for ids in vars(triangle._neighbours(cells, cells.size, blocks)).values()]
    matrices = (winograd.PATCH, winograd.KERNEL, winograd.BLOCK)
    transforms = rows.Transforms(*(paddle.to_tensor(matrix.astype("float64")) for matrix in matrices))

    paddle.seed(tscale)
    shapes = [2, 3, dscale, tscale], [4, 3, 3, 3], [4]
    image, weight, bias = (paddle.randn(shape, "float64") for shape in shapes)
    for leaf in (image, weight, bias):
        leaf.stop_gradient = False
    table = F.pad(image.flatten(2).transpose([0, 2, 1]), [1, 0], data_format="NLC")
    valid = np.flatnonzero(blocks.rows)
    in_blocks = rows.convolve(table, weight, bias, *neighbours, transforms)
    ours = paddle.index_select(in_blocks, paddle.to_tensor(blocks.rows.ravel()[valid]), axis=1)
    of_the_map = F.relu(F.conv2d(image, weight, bias, padding=1)).flatten(2).transpose([0, 2, 1])
    theirs = paddle.index_select(of_the_map, paddle.to_tensor(valid), axis=1)

    upstream = paddle.randn(theirs.shape, "float64")
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-12)
    assert not in_blocks[:, 0].numpy().any()
    for one, other in zip(*(paddle.grad(out, [image, weight, bias], upstream) for out in (ours, theirs)), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-12)


def test_a_batch_at_once_gives_what_video_by_video_gives(monkeypatch):
    """The CPU takes a batch apart, a GPU does not: both ways must agree, here on the CPU."""
    paddle.seed(2)
    network = BMN(8, 12, 9, 3, 2, 0.5)
    x = paddle.randn([3, 8, 12])

    def run():
        network.clear_gradients()
        outputs = network(x)
        sum(output.sum() for output in outputs).backward()
        return [*outputs, *(parameter.grad for parameter in network.parameters())]

    apart = [value.numpy() for value in run()]
    monkeypatch.setattr(rows, "_pieces", lambda table: [paddle.arange(table.shape[0], dtype="int32")])
    for one, other in zip(apart, run(), strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-6)


def test_the_same_step_twice_gives_the_same_bits():
    paddle.seed(2)
    network = BMN(8, 12, 9, 3, 2, 0.5)
    x = paddle.randn([3, 8, 12])
    gradients = []
    for _ in range(2):
        network.clear_gradients()
        sum(output.sum() for output in network(x)).backward()
        gradients.append([parameter.grad.numpy() for parameter in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_array_equal(one, other)
