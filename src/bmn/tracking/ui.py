"""MLflow's UI on this machine, and the address of its run comparison."""

import os
import sys
from typing import NoReturn

import mlflow

from bmn.base.runtime import child_environment
from bmn.tracking.store import VIEW, connect, store_uri


def view_url(server: str, experiment: str) -> str:
    """The address of an experiment's run comparison in a server's UI."""
    connect(experiment)
    number = mlflow.get_experiment_by_name(experiment).experiment_id
    return f"{server}/#/experiments/{number}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"


def start_ui(port: int) -> NoReturn:
    """Replace this process with MLflow's UI on the store."""
    words = ["mlflow", "ui", "--workers", "1", "--port", str(port), "--backend-store-uri", store_uri()]
    environment = child_environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    os.execve(sys.executable, [sys.executable, "-m", *words], environment)
