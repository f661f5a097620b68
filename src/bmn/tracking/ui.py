"""MLflow's UI on this machine, and where it compares the runs."""

import os
import sys
from typing import NoReturn

import mlflow

from bmn.base.runtime import child_environment
from bmn.tracking.store import VIEW, connect, store_uri


def view_url(server: str, experiment: str) -> str:
    """The address of the comparison of an experiment's runs in the UI of a server."""
    connect(experiment)
    number = mlflow.get_experiment_by_name(experiment).experiment_id
    return f"{server}/#/experiments/{number}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"


def start_ui(port: int) -> NoReturn:
    """Become MLflow's UI on the store, until a signal ends it."""
    words = ["mlflow", "ui", "--workers", "1", "--port", str(port), "--backend-store-uri", store_uri()]
    environment = child_environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    os.execve(sys.executable, [sys.executable, "-m", *words], environment)
