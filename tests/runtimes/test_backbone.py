"""Backbones of any of the three kinds of input give the same features of the same frames; others get a sentence."""

import numpy as np
import pytest

from bmn.base.errors import BmnError
from bmn.runtimes.backbone import open_backbone
from bmn.runtimes.programs import PROGRAMS

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

AXES = {"image": [-1, -2], "N3THW": [-1, -2, -3], "NT3HW": [-1, -2]}
SHAPES = {"image": ["n", 3, "h", "w"], "N3THW": ["n", 3, 2, 8, 8], "NT3HW": ["n", 2, 3, 8, 8]}


def write(path, shape, nodes, output, rank=None):
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    wanted = helper.make_tensor_value_info(output, TensorProto.FLOAT, rank)
    graph = helper.make_graph(nodes, "backbone", [given], [wanted])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def doubling(path, shape):
    """Gives twice the input; its inner tensor is three times the input."""
    nodes = [helper.make_node("Add", ["x", "x"], ["twice"]), helper.make_node("Add", ["twice", "x"], ["thrice"]),
             helper.make_node("Sub", ["thrice", "x"], ["y"])]  # fmt: skip
    return write(path, shape, nodes, "y")


@pytest.fixture
def snippets():
    return np.random.default_rng(0).random((3, 2, 3, 8, 8)).astype("float32")


@pytest.mark.parametrize("form", ["image", "N3THW"])
def test_what_stands_behind_the_channels_is_averaged(form, snippets, tmp_path):
    backbone = open_backbone(doubling(tmp_path / "b.onnx", SHAPES[form]), None, 2, 8, "cpu", 1)
    assert (backbone.channels, backbone.sees_clips) == (3, form != "image")
    np.testing.assert_allclose(backbone.describe(snippets), 2 * snippets.mean(axis=(1, 3, 4)), rtol=1e-5)


def test_a_clip_may_have_its_frames_first(snippets, tmp_path):
    mean = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 3, 4], keepdims=0)
    path = write(tmp_path / "b.onnx", SHAPES["NT3HW"], [mean], "y", ["n", 3])
    backbone = open_backbone(path, None, 2, 8, "cpu", 1)
    np.testing.assert_allclose(backbone.describe(snippets), snippets.mean(axis=(1, 3, 4)), rtol=1e-5)


def test_an_inner_tensor_can_be_named(snippets, tmp_path):
    backbone = open_backbone(doubling(tmp_path / "b.onnx", SHAPES["image"]), "thrice", 2, 8, "cpu", 1)
    np.testing.assert_allclose(backbone.describe(snippets), 3 * snippets.mean(axis=(1, 3, 4)), rtol=1e-5)


@pytest.mark.parametrize("suffix", [".json", ".pdmodel"])
def test_a_program_of_paddle_is_a_backbone(suffix, snippets, tmp_path):
    from contextlib import nullcontext

    from bmn.model.paddle import nn, paddle

    network = nn.Conv2D(3, 4, 1)
    with paddle.pir_utils.OldIrGuard() if suffix == ".pdmodel" else nullcontext():
        paddle.jit.save(network, str(tmp_path / "b"), input_spec=[paddle.static.InputSpec([None, 3, None, None])])
    backbone = open_backbone(tmp_path / f"b{suffix}", None, 2, 8, "cpu", 1)
    with paddle.no_grad():
        wanted = network(paddle.to_tensor(snippets.reshape(6, 3, 8, 8))).numpy().mean(axis=(2, 3))
    np.testing.assert_allclose(backbone.describe(snippets), wanted.reshape(3, 2, 4).mean(axis=1), rtol=1e-4)


def test_the_bits_do_not_depend_on_the_number_of_threads(tmp_path):
    from bmn.model.paddle import nn, paddle

    network = nn.Sequential(nn.Conv2D(3, 64, 7, 2), nn.ReLU(), nn.Conv2D(64, 256, 3, groups=64), nn.Conv2D(256, 320, 1))
    paddle.jit.save(network, str(tmp_path / "b"), input_spec=[paddle.static.InputSpec([None, 3, None, None])])
    seen = np.random.default_rng(0).random((4, 2, 3, 64, 64)).astype("float32")
    [program] = (path for path in tmp_path.iterdir() if path.suffix in PROGRAMS)
    found = [open_backbone(program, None, 2, 64, "cpu", threads).describe(seen).tobytes() for threads in (1, 2, 3)]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        (
            ["n", 1, 8, 8],
            r"takes \[-1, 1, 8, 8\], where -1 is free; one of \[-1, 3, 8, 8\], \[",
        ),
        (["n", 3, 16, 16], r"takes \[-1, 3, 16, 16\], where"),
        ([1, 3, 8, 8], r"takes \[1, 3, 8, 8\], where"),
        (["n", 3, 5, 8, 8], r"takes \[-1, 3, 5, 8, 8\], where"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shape, sentence, tmp_path):
    with pytest.raises(BmnError, match=rf"b\.onnx: {sentence}"):
        open_backbone(doubling(tmp_path / "b.onnx", shape), None, 2, 8, "cpu", 1)


def test_an_absent_tensor_or_program_is_refused(tmp_path):
    path = doubling(tmp_path / "b.onnx", SHAPES["image"])
    with pytest.raises(BmnError, match=r"b\.onnx: cannot be opened \(.*nowhere"):
        open_backbone(path, "nowhere", 2, 8, "cpu", 1)
    for name in ("absent.onnx", "b.pt"):
        with pytest.raises(BmnError, match=f"{name}: no such program; extract.backbone is a file"):
            open_backbone(tmp_path / name, None, 2, 8, "cpu", 1)
