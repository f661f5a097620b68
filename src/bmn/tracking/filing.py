"""What is filed in MLflow at once, by stages that are done with their work: evaluations, exported models, data reports.

Filed again, because the stage was killed or run once more, the same thing leaves no second trace.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Run, RunTag
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from bmn.base.params import Params
from bmn.data.subset import Subset
from bmn.tracking.delivery import deliver, outboxes, send
from bmn.tracking.journal import Journal, metric_name, milliseconds
from bmn.tracking.models import exported_content, log_inference_model, promote
from bmn.tracking.outbox import dataset_message
from bmn.tracking.runs import find_run, origin, run_name, settings
from bmn.tracking.store import connect, no_answer

TRAINED_IN = "bmn.trained_in_run"  # tag of a run that stands for one of another store
Curve = tuple[Iterable[int], Iterable[float]]


def log_evaluation(
    params: Params, run_id: str, metrics: Mapping[str, float], curves: Mapping[str, Curve], files: Mapping[Path, str]
) -> None:
    """File an evaluation under the run of its training; its settings become the run's when all of it is there.

    Args:
        run_id: where this store does not have that run, another one is made that names it.
        metrics: by name.
        curves: metrics over something that is no time, such as AR over the number of proposals: steps and values.
        files: each with the folder of the run's artifacts that it belongs to.

    Raises:
        BmnError: MLflow does not answer.
    """
    with _run_of(params, run_id) as (client, run):
        points = [(metric_name(name), value, 0) for name, value in metrics.items()]
        points += [(name, value, step) for name, curve in curves.items() for step, value in zip(*curve, strict=True)]
        own = settings(params, "proposals", "evaluate")
        now = _first_filed(client, run, "bmn.evaluation", json.dumps([own, points], sort_keys=True))
        found = [Metric(name, float(value), now, step) for name, value, step in points]
        client.log_batch(run.info.run_id, metrics=found)
        for path, folder in files.items():
            client.log_artifact(run.info.run_id, str(path), folder)
        client.log_batch(run.info.run_id, tags=[RunTag(key, str(value)) for key, value in own.items()])


def log_export(
    params: Params,
    run_id: str,
    folder: Path,
    example: NDArray[Any],
    duration: float,
    latency_ms: Mapping[str, float],
) -> None:
    """File an exported model under the run of its training, and let it be the champion where it is the best.

    Args:
        run_id: see :func:`log_evaluation`.
        folder: what :func:`bmn.export.export.export` wrote.
        example: features ``[snippet, channel]`` of a video.
        duration: of that video, in seconds.
        latency_ms: of each program, by its file's name.

    Raises:
        BmnError: MLflow does not answer.
    """
    with _run_of(params, run_id) as (client, run):
        proposals = params.proposals.model_dump()
        content = exported_content(folder, proposals)
        now = _first_filed(client, run, "bmn.export", content)
        measured = {f"export/latency_ms/{name}": value for name, value in latency_ms.items()}
        for name, value in measured.items():  # measured again, it is another value of the same export
            if all(point.timestamp != now for point in client.get_metric_history(run.info.run_id, name)):
                client.log_metric(run.info.run_id, name, value, now, 0)
        model = log_inference_model(client, run, folder, content, example, duration, proposals)
        promote(client, run.info.run_id, model)
        own = settings(params, "export")
        client.log_batch(run.info.run_id, tags=[RunTag(key, str(value)) for key, value in own.items()])


def log_data_report(params: Params, subsets: Iterable[Subset], metrics: Mapping[str, float], folder: Path) -> None:
    """File what describes the data alone, as a run of its own in an experiment beside that of the trainings.

    Args:
        folder: of the report.

    Raises:
        BmnError: MLflow does not answer.
    """
    with _answering():
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
    """The run of a training that is done; where this store does not have it, one that stands for it."""
    with _answering():
        experiment = connect(params.tracking.experiment)
        client = MlflowClient()
        deliver(outboxes() / run_id)  # what the training could not tell while MLflow was away
        known = find_run(client, experiment, run_id, TRAINED_IN, run_id)
        if known is None:
            known = client.create_run(experiment, tags={TRAINED_IN: run_id}, run_name=run_name(params)).info.run_id
        with nullcontext() if known == run_id else _ended(client, known):
            yield client, client.get_run(known)


@contextmanager
def _ended(client: MlflowClient, run_id: str) -> Iterator[None]:
    """FINISHED when the block is, FAILED when it raises."""
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        raise no_answer(error) from error


def _first_filed(client: MlflowClient, run: Run, tag: str, content: str) -> int:
    """When what a tag of the run remembers was filed first, in milliseconds; now, where that was something else."""
    identity = hashlib.sha256(content.encode()).hexdigest()[:16]
    known, _, when = run.data.tags.get(tag, "").partition(" ")
    if known == identity:
        return int(when)
    now = milliseconds()
    client.set_tag(run.info.run_id, tag, f"{identity} {now}")
    return now
