"""Where runs are kept: MLFLOW_TRACKING_URI, or a database and its files under the project's ``mlruns/``."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from bmn.base.errors import BmnError
from bmn.base.files import atomic_file
from bmn.tracking.moved import follow_project

VIEW = "bmn"  # name of the shared view that the UI opens with


def project_root() -> Path:
    """The project's folder; DVC's temporary copies of it (queued experiments) name the real one in DVC_ROOT."""
    return Path(os.environ.get("DVC_ROOT", Path.cwd())).resolve()


def store_uri() -> str:
    """Where runs are kept: MLFLOW_TRACKING_URI, or a database under the project's ``mlruns/``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _own_uri()


def open_store() -> None:
    """Point MLflow at the store, and keep it quiet; a project's own database follows it where it was moved to."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # people read the stages' output
    logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)  # the outbox says so when a server is away
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # within 20 s it is clear that a server is away
    mlflow.set_tracking_uri(store_uri())
    with alone():
        database = _folder() / "mlflow.db"
        if is_local() and not database.exists():
            with atomic_file(database) as temporary:  # MLflow takes seconds for it, and cannot go on with half of it
                MlflowClient(_uri(temporary)).search_experiments()
        elif is_local() and os.access(database, os.W_OK):
            follow_project(database, project_root())


def connect(experiment: str) -> str:
    """Point MLflow at the store and the experiment, made at the first use; gives the experiment's id.

    Raises:
        BmnError: the store does not answer.
    """
    open_store()
    try:
        with alone():
            if mlflow.get_experiment_by_name(experiment) is None:
                place = (_folder() / experiment).as_uri() if is_local() else None
                mlflow.create_experiment(experiment, artifact_location=place, tags=_view())
            return str(mlflow.set_experiment(experiment).experiment_id)
    except MlflowException as error:
        raise no_answer(error) from error


def no_answer(error: Exception) -> BmnError:
    """What to say of a store that does not do what it is asked."""
    return BmnError(
        f"{store_uri()}: MLflow does not answer there ({first_line(error)}); start the server, or correct or unset "
        f"MLFLOW_TRACKING_URI"
    )


def first_line(error: Exception) -> str:
    """The first line of an error's message; its kind where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def is_local() -> bool:
    """Whether runs are kept in the project's own database."""
    return store_uri() == _own_uri()  # MLflow itself sets the variable to the store in use


@contextmanager
def alone() -> Iterator[None]:
    """Keep other processes out of a local store: its database and its experiments are made by one."""
    if is_local():
        _folder().mkdir(exist_ok=True)
    if is_local() and os.access(_folder(), os.W_OK):
        with FileLock(_folder() / ".lock"):
            yield
    else:
        yield


def _own_uri() -> str:
    return _uri(_folder() / "mlflow.db")


def _uri(database: Path) -> str:
    path = str(database).replace("%", "%25").replace("?", "%3F")  # what a URI means by them
    return f"sqlite:///{path}"


def _folder() -> Path:
    return project_root() / "mlruns"


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
