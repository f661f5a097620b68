"""Where runs are kept: MLFLOW_TRACKING_URI, or a database and its files under the project's ``mlruns/``."""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from bmn.base.errors import BmnError

logging.getLogger("mlflow").setLevel(logging.WARNING)  # people read the stages' output
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # within 20 s it is clear that a server is away

VIEW = "bmn"  # name of the shared view that the UI opens with


def project_root() -> Path:
    """The project's folder; DVC's temporary copies of it (queued experiments) name the real one in DVC_ROOT."""
    return Path(os.environ.get("DVC_ROOT", Path.cwd())).resolve()


def store_uri() -> str:
    """Where runs are kept: MLFLOW_TRACKING_URI, or a database under the project's ``mlruns/``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlruns' / 'mlflow.db'}"


def connect(experiment: str) -> None:
    """Point MLflow at the store and the experiment, made at the first use.

    Raises:
        BmnError: the store does not answer.
    """
    folder = project_root() / "mlruns"
    local = "MLFLOW_TRACKING_URI" not in os.environ
    if local:
        folder.mkdir(exist_ok=True)
    mlflow.set_tracking_uri(store_uri())
    try:
        with _alone_in(folder) if local else nullcontext():
            if mlflow.get_experiment_by_name(experiment) is None:
                place = (folder / experiment).as_uri() if local else None
                mlflow.create_experiment(experiment, artifact_location=place, tags=_view())
            mlflow.set_experiment(experiment)
    except MlflowException as error:
        raise BmnError(
            f"{store_uri()}: MLflow does not answer there ({str(error).splitlines()[0]}); start the server, or correct "
            f"or unset MLFLOW_TRACKING_URI"
        ) from error


def _view() -> dict[str, str]:
    """Tags by which MLflow's UI shows an experiment: figures and losses as columns, the best AUC first."""
    names = [f"evaluate/{name}" for name in ("AUC", "AR_1", "AR_5", "AR_10", "AR_100")] + ["val/loss", "train/loss"]
    state = {
        "searchFilter": "",
        "orderByKey": "metrics.`evaluate/AUC`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [f"metrics.`{name}`" for name in names] + ["attributes.`Duration`"],
        "hideEmptyCharts": True,
    }
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps(state),
    }


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out: two that create MLflow's database at the same time break it."""
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
