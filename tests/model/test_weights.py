import os
import pickle

import golden
import numpy as np
import paddle
import pytest

from bmn.base.errors import BmnError
from bmn.base.schema import ModelParams
from bmn.model.weights import load_network, read_weights, write_weights

MODEL = ModelParams(feat_dim=4, tscale=8, dscale=6, num_sample=2, num_sample_perbin=2)


@pytest.fixture
def weights():
    from bmn.model.network import BMN

    return {name: tensor.numpy() for name, tensor in BMN(**MODEL.model_dump()).state_dict().items()}


def test_weights_come_back_and_paddle_reads_them_too(tmp_path, weights):
    path = tmp_path / "w.pdparams"
    write_weights(weights, path)
    ours, theirs = read_weights(path), paddle.load(str(path))
    assert ours.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(ours[name], array)
        np.testing.assert_array_equal(theirs[name].numpy(), array)


def test_published_weights_load(golden_weights):
    network = load_network(ModelParams(), golden_weights)
    assert not network.training
    for name, array in golden.weights().items():
        np.testing.assert_array_equal(network.state_dict()[name].numpy(), array)


def test_the_prefix_of_paddlevideo_is_taken_off(tmp_path, weights):
    path = tmp_path / "w.pdparams"
    paddle.save({f"backbone.{name}": paddle.to_tensor(array) for name, array in weights.items()}, str(path))
    assert read_weights(path).keys() == weights.keys()


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


def test_a_file_that_wants_to_run_something_is_refused_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bomb.pdparams"
    path.write_bytes(pickle.dumps({"b_conv1.weight": Bomb()}))
    with pytest.raises(BmnError, match=r"bomb\.pdparams: is not a plain weights file .*system"):
        read_weights(path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", pickle.dumps([1]), pickle.dumps({"a": "text"}), pickle.dumps({"a": np.array([None])})],
)
def test_what_is_no_file_of_weights_is_refused_in_a_sentence(tmp_path, content):
    path = tmp_path / "w.pdparams"
    path.write_bytes(content)
    with pytest.raises(BmnError, match=r"w\.pdparams: "):
        read_weights(path)


def test_weights_of_another_shape_are_named(tmp_path, weights):
    path = tmp_path / "w.pdparams"
    write_weights(weights, path)
    other = MODEL.model_copy(update={"num_sample": 3})
    with pytest.raises(BmnError, match=r"p_conv3d1\.weight has the shape \[512, 128, 2, 1, 1\]"):
        load_network(other, path)


@pytest.mark.parametrize(("change", "words"), [("removed", "has no b_conv1.bias"), ("added", "has extra")])
def test_missing_and_unknown_parameters_are_named(tmp_path, weights, change, words):
    if change == "removed":
        del weights["b_conv1.bias"]
    else:
        weights["extra"] = np.zeros(1, "float32")
    path = tmp_path / "w.pdparams"
    write_weights(weights, path)
    with pytest.raises(BmnError, match=words):
        load_network(MODEL, path)


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_other_floating_point_numbers_become_float32(tmp_path, weights, dtype):
    path = tmp_path / "w.pdparams"
    path.write_bytes(pickle.dumps({name: array.astype(dtype) for name, array in weights.items()}, 4))
    for name, tensor in load_network(MODEL, path).state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), weights[name].astype(dtype).astype("float32"))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_weights_that_are_no_float32_are_refused(tmp_path, value):
    path = tmp_path / "w.pdparams"
    path.write_bytes(pickle.dumps({"b_conv1.bias": np.full(3, value)}, 4))
    with pytest.raises(BmnError, match=r"b_conv1\.bias holds NaN, infinities or numbers too large"):
        read_weights(path)


class Pretender:
    """A type whose state says that its numbers are references to objects."""

    def __reduce__(self):
        return np.dtype, ("V8",), (4, "|", None, None, None, 8, 1, 0x3F, None)


def key_of_pairs(depth):
    """A dictionary with a key that holds 2**depth times the same: its hash takes as many steps."""
    pairs = b"".join(b"h%c\x86\x94" % place for place in range(depth))
    return b"\x80\x04}()\x94" + pairs + b"K\x01u."


@pytest.mark.parametrize(
    "content",
    [
        key_of_pairs(100),
        pickle.dumps({"a": Pretender()}, 4),
        b"\x80\x04}Nr\xff\xff\xff\x3f.",  # a memo of a billion places
        pickle.dumps({"a": frozenset([1])}, 4),
        pickle.dumps({"a": np.zeros(2)}, 4).replace(b"f8", b"O8"),
    ],
    ids=["hash", "references", "memo", "set", "objects"],
)
def test_what_would_hang_crash_or_fill_the_memory_is_refused(tmp_path, content):
    path = tmp_path / "w.pdparams"
    path.write_bytes(content)
    with pytest.raises(BmnError, match=r"w\.pdparams: "):
        read_weights(path)
