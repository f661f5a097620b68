"""A small network with random weights, exported once."""

from importlib.util import find_spec

import numpy as np
import pytest
from inference.random_weights import write_random_weights

from bmn.config import ExportParams, ModelParams
from bmn.inference.export import export

HAS_ONNX = find_spec("paddle2onnx") is not None and find_spec("onnxruntime") is not None


@pytest.fixture(scope="session")
def model():
    return ModelParams(feat_dim=8, tscale=16, dscale=12, num_sample=4, num_sample_perbin=2)


@pytest.fixture(scope="session")
def weights(tmp_path_factory, model):
    return write_random_weights(tmp_path_factory.mktemp("weights") / "small.pdparams", model)


@pytest.fixture(scope="session")
def features():
    """``[video, channel, snippet]``."""
    return np.random.default_rng(2).normal(size=(5, 8, 16)).astype(np.float32)


@pytest.fixture(scope="session")
def exported(tmp_path_factory, model, weights, features):
    folder = tmp_path_factory.mktemp("exported") / "export"
    export(model, weights, folder, features, ExportParams(onnx=HAS_ONNX), {"data": {"source": "random"}})
    return folder


@pytest.fixture(scope="session")
def onnx_program(exported):
    if not HAS_ONNX:
        pytest.skip("paddle2onnx or onnxruntime is not installed (requirements-onnx.txt)")
    return exported / "BMN.onnx"
