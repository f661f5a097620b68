"""Delivery of journals to MLflow. Everything is idempotent: sent twice, it is stored once."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from bmn.base.files import turn
from bmn.tracking.journal import Journal, Message, Point
from bmn.tracking.logged_models import file_model, validation_data
from bmn.tracking.store import project_root, store_uri


def outboxes() -> Path:
    """The folder of the journals of all of the project's runs."""
    return project_root() / "mlruns" / "outbox"


@contextmanager
def delivery_lock() -> Iterator[None]:
    """Keep other processes from sending, so that what is looked up and then created is created once."""
    with turn(outboxes()):
        yield


def deliver(folder: Path) -> int:
    """Send what MLflow does not have yet of a journal, and remove the journal if its run is FINISHED.

    Otherwise the journal stays: a resumed training looks up in it what has been logged. A point that is sent again,
    because the process was killed before the cursor moved, has the same name, time, step and value.

    Returns:
        The number of lines sent.
    """
    client, journal, sent = MlflowClient(store_uri()), Journal(folder), 0
    with delivery_lock():
        for lines, end in journal.unsent():
            send(client, folder.name, journal, lines)
            journal.move_cursor(end)
            sent += len(lines)
        if not journal.exists():
            shutil.rmtree(folder, ignore_errors=True)  # left over from an interrupted removal
        elif journal.is_finished():
            journal.remove()
    return sent


def send(client: MlflowClient, run_id: str, journal: Journal, lines: list[Point] | list[Message]) -> None:
    """Send points, or one message."""
    if isinstance(lines[0], dict):
        _SEND[lines[0]["kind"]](client, run_id, lines[0], journal)
    else:
        client.log_batch(run_id, metrics=[Metric(name, float(value), *when) for name, value, *when in lines])


def _send_about(client: MlflowClient, run_id: str, message: Message, _: Journal) -> None:
    params = [Param(key, str(value)) for key, value in message["params"].items()]
    tags = [RunTag(key, str(value)) for key, value in message["tags"].items()]
    client.log_batch(run_id, params=params, tags=tags)


def _send_dataset(client: MlflowClient, run_id: str, message: Message, _: Journal) -> None:
    source = json.dumps({"uri": (project_root() / message["path"]).as_uri()})
    dataset = Dataset(message["name"], message["digest"], "local", source)
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", message["subset"])])])


def _send_file(client: MlflowClient, run_id: str, message: Message, journal: Journal) -> None:
    client.log_artifact(run_id, str(journal.attached(message["file"])), message["folder"])


def _send_checkpoint(client: MlflowClient, run_id: str, message: Message, journal: Journal) -> None:
    run, path = client.get_run(run_id), journal.attached(message["file"])
    model = file_model(
        client, run, path.stem, "checkpoint", message["sha256"], message["step"],
        lambda model: client.log_model_artifact(model.model_id, str(path)),
    )  # fmt: skip
    data = validation_data(run)
    about = {"dataset_name": data.name, "dataset_digest": data.digest} if data else {}
    names = [name for name in run.data.metrics if name.startswith("val/")]
    own = [
        Metric(point.key, point.value, point.timestamp, point.step, model_id=model, run_id=run_id, **about)
        for name in names
        for point in client.get_metric_history(run_id, name)
        if point.step == message["step"]
    ]
    client.log_batch(run_id, metrics=own)


def _send_status(client: MlflowClient, run_id: str, message: Message, _: Journal) -> None:
    if message["status"] == "RUNNING":
        client.update_run(run_id, "RUNNING")
    else:
        client.set_terminated(run_id, message["status"], message["time"])


_SEND: dict[str, Callable[[MlflowClient, str, Message, Journal], Any]] = {
    "about": _send_about,
    "dataset": _send_dataset,
    "file": _send_file,
    "checkpoint": _send_checkpoint,
    "status": _send_status,
}
