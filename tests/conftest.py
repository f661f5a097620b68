"""Settings and data shared by all tests."""

import bmn.model.paddle  # noqa: F401  # isort: skip  # sets Paddle's flags before a test imports it

import signal
from pathlib import Path

import golden
import numpy as np
import paddle
import pytest
from hypothesis import settings
from random_weights import random_classifier, write_random_weights
from shell import PATIENCE

from bmn.acquire.raw import Raw
from bmn.acquire.synthetic import make_synthetic
from bmn.base.schema import ExportParams, ModelParams, TrainParams
from bmn.conversion.convert import Choices, convert
from bmn.data.subset import open_subset

settings.register_profile("default", deadline=None, max_examples=25)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def untuned(monkeypatch):
    """Commands called in the tests' process leave its memory, denormals, signals and lifetime alone."""
    monkeypatch.setattr("bmn.launch.command.tune_process", dict)
    monkeypatch.setattr("bmn.launch.command.end_with_ancestors", lambda: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def uncovered(monkeypatch):
    """For processes that must not write files, or find the disk full: they cannot record which lines they run."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(scope="session")
def model():
    return ModelParams(feat_dim=8, tscale=16, dscale=12, num_sample=4, num_sample_perbin=2)


@pytest.fixture(scope="session")
def weights(tmp_path_factory, model):
    return write_random_weights(tmp_path_factory.mktemp("weights") / "small.pdparams", model)


@pytest.fixture(scope="session")
def golden_weights(tmp_path_factory):
    """A file as PaddleVideo writes it, at the published sizes."""
    path = tmp_path_factory.mktemp("golden") / "bmn_weights.pdparams"
    paddle.save({name: paddle.to_tensor(array) for name, array in golden.weights().items()}, str(path))
    return path


@pytest.fixture(scope="session")
def features():
    """``[video, channel, snippet]``."""
    return np.random.default_rng(2).normal(size=(5, 8, 16)).astype(np.float32)


@pytest.fixture(scope="session")
def exported(tmp_path_factory, model, weights, features):
    folder = tmp_path_factory.mktemp("exported") / "export"
    from bmn.export.export import export

    about = {"data": {"source": "random"}}
    export(model, weights, folder, features, ExportParams(), about, random_classifier(model))
    return folder


@pytest.fixture(scope="session")
def onnx_program(exported):
    return exported / "BMN.onnx"


@pytest.fixture(scope="session")
def recipe():
    return TrainParams(epochs=3, batch_size=4, decay_iteration=5, validate_every=2)


@pytest.fixture(scope="session")
def processed(tmp_path_factory, model):
    """A converted data set of 10 training and 5 validation videos."""
    folder = tmp_path_factory.mktemp("data")
    videos = {"training": 10, "validation": 5}
    make_synthetic(folder / "raw", seed=3, videos=videos, feat_dim=model.feat_dim, tscale=model.tscale)
    convert(
        Raw(folder / "raw/features", folder / "raw/annotations.json"), folder / "processed",
        Choices(channels=model.feat_dim, tscale=model.tscale), folder / "work",
    )  # fmt: skip
    return folder / "processed"


@pytest.fixture(scope="session")
def training(processed):
    return open_subset(processed, "training")


@pytest.fixture(scope="session")
def validation(processed):
    return open_subset(processed, "validation")


@pytest.fixture(scope="session")
def ray_head():
    """A Ray cluster of one node with one core."""
    utils = pytest.importorskip("ray.cluster_utils", reason="needs Ray: pip install -r requirements-ray.txt")
    from execution.patience import be_patient

    tests = Path(__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{tests.parent / 'src'}:{tests}")
        be_patient(patch.setattr)
        urgent = {"_system_config": {"worker_niceness": 0}}  # at Ray's 15, a busy machine would hardly run them
        node = {"num_cpus": 1, "include_dashboard": False, "wait": False}
        cluster = utils.Cluster(initialize_head=True, head_node_args=node | urgent)
        cluster.other = None
        yield cluster
        cluster.shutdown()


@pytest.fixture
def ray_cluster(ray_head):
    """A Ray cluster of two nodes with one core each; ``remove_node(other)`` loses the second."""
    if ray_head.other not in ray_head.worker_nodes:
        ray_head.other = ray_head.add_node(num_cpus=1, wait=False)  # for half a minute only
    ray_head.wait_for_nodes(timeout=PATIENCE)  # that a node is gone is noticed late
    return ray_head
