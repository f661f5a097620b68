"""A small network with random weights, exported once."""

import numpy as np
import paddle
import pytest

from bmn.config import ModelParams
from bmn.inference.export import export
from bmn.model.network import BMN
from bmn.weights import write_weights


@pytest.fixture(scope="session")
def model():
    return ModelParams(feat_dim=8, tscale=16, dscale=12, num_sample=4, num_sample_perbin=2)


@pytest.fixture(scope="session")
def weights(tmp_path_factory, model):
    """Weights large enough for scores that rounding does not reorder."""
    paddle.seed(5)
    path = tmp_path_factory.mktemp("weights") / "small.pdparams"
    network = BMN(**model.model_dump())
    write_weights({name: 1.7 * tensor.numpy() for name, tensor in network.state_dict().items()}, path)
    return path


@pytest.fixture(scope="session")
def features():
    """``[video, channel, snippet]``."""
    return np.random.default_rng(2).normal(size=(5, 8, 16)).astype(np.float32)


@pytest.fixture(scope="session")
def exported(tmp_path_factory, model, weights, features):
    folder = tmp_path_factory.mktemp("exported") / "export"
    export(model, weights, folder, features, tolerance=1e-5)
    return folder
