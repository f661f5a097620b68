"""The MLflow store: MLFLOW_TRACKING_URI, or a database and artifacts in the project's ``mlruns/``."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from alembic.migration import MigrationContext
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests import RequestException
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from bmn.base.errors import BmnError
from bmn.base.files import atomic_file, turn
from bmn.tracking.moved import follow_project

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")  # that MLflow keeps a store in; else it is a server's
SCHEMAS = Path(mlflow.__file__).parent / "store/db_migrations/versions"  # a file each, named after its revision
VIEW = "bmn"  # name of the shared view with which the UI opens


def project_root() -> Path:
    """The project's folder; in DVC's temporary copies of it (queued experiments), DVC_ROOT names the real one."""
    return Path(os.environ.get("DVC_ROOT", Path.cwd())).resolve()


def store_uri() -> str:
    """MLFLOW_TRACKING_URI, or the database in the project's ``mlruns/``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _own_uri()


def open_store() -> None:
    """Point MLflow at the store and silence it; update the paths in the database of a project that was moved.

    Raises:
        BmnError: the store was written by a newer MLflow, or does not respond.
    """
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # people read the stages' output
    logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)  # the outbox reports an outage
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # an outage is clear within 20 s
    mlflow.set_tracking_uri(store_uri())
    with store_lock():
        database = _folder() / "mlflow.db"
        if is_local() and not database.exists():
            with atomic_file(database) as temporary:  # takes MLflow seconds, and a half-created one is unusable
                MlflowClient(_uri(temporary)).search_experiments()
        if store_uri().startswith(DATABASES):
            _check_schema(store_uri())
        if not is_local():
            with answering():
                MlflowClient().search_experiments(max_results=1)
        if is_local() and os.access(database, os.W_OK):
            follow_project(database, project_root())


def _check_schema(uri: str) -> None:
    """Check that this MLflow knows the tables of a database; MLflow itself takes newer ones for outdated ones."""
    with answering():  # MLflow itself would try again for minutes
        engine = create_engine(uri)
        try:
            with engine.connect() as connection:
                revision = MigrationContext.configure(connection).get_current_revision()
        finally:
            engine.dispose()
    if revision and not any(SCHEMAS.glob(f"{revision}_*.py")):
        raise BmnError(
            f"{uri}: was written by a newer MLflow than this one ({mlflow.__version__} does not know its schema "
            f"{revision}); install that version, or set MLFLOW_TRACKING_URI to another store"
        )


def connect(experiment: str) -> str:
    """Point MLflow at the store and the experiment, which is created if needed; returns the experiment's id.

    Raises:
        BmnError: the store does not respond.
    """
    open_store()
    with answering(), store_lock():
        if mlflow.get_experiment_by_name(experiment) is None:
            _create(experiment)
        return str(mlflow.set_experiment(experiment).experiment_id)


def _create(experiment: str) -> None:
    place = (_folder() / experiment).as_uri() if is_local() else None
    try:
        mlflow.create_experiment(experiment, artifact_location=place, tags=_view())
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # somebody else's first run was faster
            raise


@contextmanager
def answering() -> Iterator[None]:
    """What only works while the store responds; also a decorator.

    Raises:
        BmnError: it does not, or it refuses a request.
    """
    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        raise BmnError(
            f"{store_uri()}: MLflow does not respond ({first_line(error)}); start the server, or correct or unset "
            f"MLFLOW_TRACKING_URI; the same command resumes"
        ) from error


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def is_local() -> bool:
    """Whether the store is the project's own database."""
    return store_uri() == _own_uri()  # MLflow itself sets MLFLOW_TRACKING_URI


@contextmanager
def store_lock() -> Iterator[None]:
    """Lock a local store, so that only one process creates its database and experiments."""
    if is_local():
        _folder().mkdir(exist_ok=True)
    if is_local() and os.access(_folder(), os.W_OK):
        with turn(_folder() / "store"):
            yield
    else:
        yield


def _own_uri() -> str:
    return _uri(_folder() / "mlflow.db")


def _uri(database: Path) -> str:
    path = str(database).replace("%", "%25").replace("?", "%3F")  # they are special in URIs
    return f"sqlite:///{path}"


def _folder() -> Path:
    return project_root() / "mlruns"


def _view() -> dict[str, str]:
    """Tags that make MLflow's UI show the AUC and losses as columns, best AUC first.

    The UI sorts metric columns by name and gives them 100 pixels, in which ``evaluate/AR_10`` and ``evaluate/AR_100``
    read alike; with them the AUC would be the fifth. ``bmn compare`` shows them all.
    """
    names = ("evaluate/AUC", "train/loss", "val/AUC", "val/loss")
    state = {
        "searchFilter": "",
        "orderByKey": "metrics.`evaluate/AUC`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [f"metrics.`{name}`" for name in names],
        "hideEmptyCharts": True,
    }
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps(state),
    }
