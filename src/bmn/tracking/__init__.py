"""The one place that knows MLflow."""

from bmn.tracking.earlier import earlier_metrics
from bmn.tracking.models import log_inference_model
from bmn.tracking.runs import (
    data_run,
    log_curve,
    log_dataset,
    log_file,
    log_metrics,
    mark_failed,
    origin,
    reopened_run,
    run_name,
    training_run,
)
from bmn.tracking.store import connect, project_root, store_uri

__all__ = [
    "connect",
    "data_run",
    "earlier_metrics",
    "log_curve",
    "log_dataset",
    "log_file",
    "log_inference_model",
    "log_metrics",
    "mark_failed",
    "origin",
    "project_root",
    "reopened_run",
    "run_name",
    "store_uri",
    "training_run",
]
