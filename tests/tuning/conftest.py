import pytest

from bmn.acquire.raw import Raw
from bmn.acquire.synthetic import make_synthetic
from bmn.base.params import validate_params
from bmn.base.schema import Params
from bmn.conversion.convert import Choices, convert

TINY = {
    "data": {"source": "synthetic"},
    "model": {"feat_dim": 8, "tscale": 16, "dscale": 12, "num_sample": 4, "num_sample_perbin": 2},
    "train": {"epochs": 2, "batch_size": 4, "decay_iteration": 5},
    "execution": {"devices": "cpu"},
    "tune": {
        "evaluations": 20,
        "trials": 3,
        "first_epochs": 2,  # none is stopped early, so that there is something to confirm
        "confirm": {"top": 1, "seeds": 2},
        "space": {
            "model.num_sample": {"choices": [2, 4]},
            "train.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
            "proposals.classification_exponent": {"low": 0.25, "high": 2.0, "log": True},
            "proposals.alpha": {"low": 0.1, "high": 1.0},
            "proposals.low_threshold": {"low": 0.2, "high": 0.8},
        },
    },
}


@pytest.fixture(scope="session")
def params() -> Params:
    return validate_params(TINY, "tiny")


@pytest.fixture(scope="session")
def processed(tmp_path_factory, params):
    """A converted data set of 8 training and 8 validation videos."""
    folder = tmp_path_factory.mktemp("data")
    model = params.model
    videos = {"training": 8, "validation": 8}
    make_synthetic(folder / "raw", seed=3, videos=videos, feat_dim=model.feat_dim, tscale=model.tscale)
    raw = Raw(folder / "raw/features", folder / "raw/annotations.json")
    convert(raw, folder / "processed", Choices(channels=model.feat_dim, tscale=model.tscale), folder / "work")
    return folder / "processed"
