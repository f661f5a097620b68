"""Logging of finished work, without a journal: evaluations, exported models, data reports.

It is idempotent: when a stage that was killed or is repeated logs the same thing again, nothing is duplicated.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Run, RunTag
from numpy.typing import NDArray

from bmn.base.schema import Params
from bmn.data.subset import Subset
from bmn.metrics.intervals import VideoResults
from bmn.tracking.champions import register
from bmn.tracking.delivery import deliver, outboxes, send
from bmn.tracking.evaluations import EVALUATED_ON, NEWEST, log_videos, run_of_evaluation
from bmn.tracking.journal import Journal, metric_name, milliseconds
from bmn.tracking.models import exported_content, log_inference_model
from bmn.tracking.outbox import dataset_message
from bmn.tracking.runs import find_run, origin, run_name, settings
from bmn.tracking.store import answering, connect

TRAINED_IN = "bmn.trained_in_run"  # tag of a run that stands in for one in another store
Curve = tuple[Iterable[int], Iterable[float]]


def log_evaluation(
    params: Params,
    run_id: str,
    subset: Subset,
    videos: VideoResults,
    metrics: Mapping[str, float],
    curves: Mapping[str, Curve],
    files: Mapping[Path, str],
) -> None:
    """Log an evaluation: the first to its training's run, each other one to a child of that run, found by its identity.

    Its settings are logged last, once everything else is there.

    Args:
        run_id: of the training; if this store does not have it, a new run stands in for it.
        subset: what is evaluated on.
        videos: what was found in each of its videos.
        metrics: by name.
        curves: metrics over something other than time, such as AR over the number of proposals: steps and values.
        files: each with its folder among the run's artifacts.

    Raises:
        BmnError: MLflow does not respond.
    """
    with _run_of(params, run_id) as (client, training):
        own = settings(params, "proposals", "evaluate")
        run = run_of_evaluation(client, training, own, subset)
        with nullcontext() if run is training else _ended(client, run.info.run_id):
            points = [(metric_name(name), value, 0) for name, value in metrics.items()]
            for name, curve in curves.items():
                points += [(name, value, step) for step, value in zip(*curve, strict=True)]
            now = _first_logged(client, run, "bmn.evaluation", json.dumps([own, points], sort_keys=True))
            found = [Metric(name, float(value), now, step) for name, value, step in points]
            client.log_batch(run.info.run_id, metrics=found)
            for path, folder in files.items():
                client.log_artifact(run.info.run_id, str(path), folder)
            log_videos(client, run.info.run_id, videos)
            about = own | {EVALUATED_ON: f"{dataset_message(subset, params.data.source)['name']} ({subset.digest})"}
            client.log_batch(run.info.run_id, tags=[RunTag(key, str(value)) for key, value in about.items()])
        client.set_tag(training.info.run_id, NEWEST, run.info.run_id)


def log_export(
    params: Params,
    run_id: str,
    folder: Path,
    example: NDArray[Any],
    duration: float,
    latency_ms: Mapping[str, float],
) -> None:
    """Log an exported model to its training run, and make it the champion if it is the best.

    Args:
        run_id: see :func:`log_evaluation`.
        folder: what :func:`bmn.export.export.export` wrote.
        example: one video's features ``[snippet, channel]``.
        duration: of that video, in seconds.
        latency_ms: by program file name.

    Raises:
        BmnError: MLflow does not respond.
    """
    with _run_of(params, run_id) as (client, run):
        proposals = params.proposals.model_dump()
        content = exported_content(folder, proposals)
        now = _first_logged(client, run, "bmn.export", content)
        measured = {f"export/latency_ms/{name}": value for name, value in latency_ms.items()}
        for name, value in measured.items():  # measuring the same export again gives another value
            if all(point.timestamp != now for point in client.get_metric_history(run.info.run_id, name)):
                client.log_metric(run.info.run_id, name, value, now, 0)
        model = log_inference_model(client, run, folder, content, example, duration, proposals)
        register(client, run.info.run_id, model)
        own = settings(params, "export")
        client.log_batch(run.info.run_id, tags=[RunTag(key, str(value)) for key, value in own.items()])


def log_data_report(params: Params, subsets: Iterable[Subset], metrics: Mapping[str, float], folder: Path) -> None:
    """Log a report on the data as a run of its own, in an experiment next to that of the training runs.

    Args:
        folder: of the report.

    Raises:
        BmnError: MLflow does not respond.
    """
    with answering():
        experiment = connect(f"{params.tracking.experiment} data")
        client = MlflowClient()
        own = {key: str(value) for key, value in (settings(params, "data") | origin()).items()}
        run_id = client.create_run(experiment, tags=own, run_name=params.data.source).info.run_id
        with _ended(client, run_id):
            for subset in subsets:
                send(client, run_id, Journal(outboxes() / run_id), [dataset_message(subset, params.data.source)])
            now = milliseconds()
            client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in metrics.items()])
            client.log_artifacts(run_id, str(folder), "data_report")


@contextmanager
def _run_of(params: Params, run_id: str) -> Iterator[tuple[MlflowClient, Run]]:
    """The run of a finished training; if this store does not have it, one that stands in for it."""
    with answering():
        experiment = connect(params.tracking.experiment)
        client = MlflowClient()
        deliver(outboxes() / run_id)  # what the training could not send while MLflow was down
        known = find_run(client, experiment, run_id, TRAINED_IN, run_id)
        if known is None:
            known = client.create_run(experiment, tags={TRAINED_IN: run_id}, run_name=run_name(params)).info.run_id
        with nullcontext() if known == run_id else _ended(client, known):
            yield client, client.get_run(known)


@contextmanager
def _ended(client: MlflowClient, run_id: str) -> Iterator[None]:
    """End a run as FINISHED, or as FAILED if the block raises."""
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)


def _first_logged(client: MlflowClient, run: Run, tag: str, content: str) -> int:
    """When this content was first logged, in milliseconds; a tag of the run remembers the latest content."""
    identity = hashlib.sha256(content.encode()).hexdigest()[:16]
    known, _, when = run.data.tags.get(tag, "").partition(" ")
    if known == identity:
        return int(when)
    now = milliseconds()
    client.set_tag(run.info.run_id, tag, f"{identity} {now}")
    return now
