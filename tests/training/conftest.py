import pytest

from bmn.config import ModelParams, TrainParams
from bmn.data.convert import Choices, convert
from bmn.data.raw import Raw
from bmn.data.subset import open_subset
from bmn.data.synthetic import make_synthetic


@pytest.fixture(scope="session")
def model():
    return ModelParams(feat_dim=8, tscale=16, dscale=12, num_sample=4, num_sample_perbin=2)


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
