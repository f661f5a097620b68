import os
import pickle

import golden
import numpy as np
import paddle
import pytest

from bmn.base.errors import BmnError
from bmn.base.params import ModelParams
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
