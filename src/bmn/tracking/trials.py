"""The runs of a sweep: one of its own, and a child a trial; for who keeps them by id, from many processes."""

import time
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from bmn.tracking.journal import metric_name
from bmn.tracking.runs import origin
from bmn.tracking.store import connect

LONGEST_NAME, LONGEST_TAG = 250, 5000  # characters
PARENT = "mlflow.parentRunId"


def begin_sweep(experiment: str, name: str, tags: Mapping[str, str], params: Mapping[str, Any]) -> str:
    """Start the run of a sweep; gives its id."""
    connect(experiment)
    number = MlflowClient().get_experiment_by_name(experiment).experiment_id
    return _begin(number, name, {**tags, **origin()}, params)


def begin_trial(sweep: str, name: str, tags: Mapping[str, str], params: Mapping[str, Any]) -> str:
    """Start the run of a trial of a sweep; gives its id."""
    return _begin(MlflowClient().get_run(sweep).info.experiment_id, name, {**tags, PARENT: sweep}, params)


def _begin(experiment: str, name: str, tags: dict[str, str], params: Mapping[str, Any]) -> str:
    client = MlflowClient()
    run = client.create_run(experiment, run_name=name[:LONGEST_NAME], tags=tags)
    client.log_batch(run.info.run_id, params=[Param(key, str(value)) for key, value in params.items()])
    return str(run.info.run_id)


def go_on(run: str) -> None:
    """A run that had ended goes on."""
    MlflowClient().update_run(run, status="RUNNING")


def file_metrics(run: str, values: Mapping[str, float], step: int = 0) -> None:
    """File metrics under a run."""
    now = int(1000 * time.time())
    MlflowClient().log_batch(run, metrics=[Metric(metric_name(key), value, now, step) for key, value in values.items()])


def file_drawings(run: str, pictures: Mapping[str, Any], pages: Mapping[str, str]) -> None:
    """File drawings (of matplotlib) and pages (HTML) under ``figures/`` of a run, by name."""
    client = MlflowClient()
    for name, picture in pictures.items():
        client.log_figure(run, picture, f"figures/{name}.png", save_kwargs={"bbox_inches": "tight", "dpi": 110})
    for name, html in pages.items():
        client.log_text(run, html, f"figures/{name}.html")


def end(run: str, status: str, tags: Mapping[str, Any] | None = None) -> None:
    """End a run: FINISHED, KILLED or FAILED; with what there is to know besides as tags."""
    client = MlflowClient()
    client.log_batch(run, tags=[RunTag(name, str(value)[:LONGEST_TAG]) for name, value in (tags or {}).items()])
    client.set_terminated(run, status)


def running_trials(sweep: str) -> list[str]:
    """The runs of a sweep's trials that have not ended."""
    client = MlflowClient()
    experiment = client.get_run(sweep).info.experiment_id
    still = f"tags.`{PARENT}` = '{sweep}' and attributes.status = 'RUNNING'"
    return [run.info.run_id for run in client.search_runs([experiment], still)]
