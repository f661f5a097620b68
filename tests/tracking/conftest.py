"""An empty project with its own store, and what training runs log to it."""

import mlflow
import pytest

from bmn.base.params import validate_params


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project folder, with no store set in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    # MLflow itself sets the variable when it is pointed at a store; this restores it after the test.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield tmp_path
    mlflow.set_tracking_uri(None)


@pytest.fixture
def params():
    return validate_params({"data": {"source": "synthetic"}}, "params.yaml")


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "best.pdparams"
    path.write_bytes(b"weights")
    return path
