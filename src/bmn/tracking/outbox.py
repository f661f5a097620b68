"""What a training tells MLflow, kept on disk until MLflow has it.

A message is a file in a folder that is named after the run; a thread sends them in order, so the training never waits
and a server that goes away costs nothing. ``bmn send`` sends what ended trainings left.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric

from bmn.base.errors import BmnError
from bmn.base.files import read_json, write_json
from bmn.tracking.store import project_root, store_uri

EVERY = 2.0  # seconds between sendings
AT_ONCE = 1000  # metrics that MLflow takes in one request

Point = tuple[str, str, int, int]  # name, value (as text: JSON has no infinity), milliseconds since 1970, step


def outboxes() -> Path:
    """The folder of all outboxes of the project."""
    return project_root() / "mlruns" / "outbox"


def metric_name(name: str) -> str:
    """A name that MLflow allows: ``AR@100`` becomes ``AR_100``."""
    return name.replace("@", "_")


class Outbox:
    """The messages of one run, sent by a thread until it is closed.

    Args:
        folder: its place; the name is the id of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.run_id = folder.name
        self._folder = folder
        self._points: SimpleQueue[Point] = SimpleQueue()
        self._away = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)
        self._thread.start()

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Tell metrics."""
        for point in _points(values, step):
            self._points.put(point)

    def file(self, path: Path, folder: str) -> None:
        """Tell a file, to be filed under a folder of the run."""
        self._write({"kind": "files", "folder": folder}, lambda place: shutil.copy(path, place))

    def figure(self, figure: Any, name: str) -> None:
        """Tell a figure, to be filed under ``figures/``."""
        self._write({"kind": "files", "folder": "figures"}, lambda place: figure.savefig(place / name))

    def checkpoint(self, path: Path, metrics: Mapping[str, float], step: int) -> None:
        """Tell weights that are kept: they become a logged model with its metrics.

        Args:
            path: the file; its stem is the name of the model.
            metrics: of these weights.
            step: iterations done when they were taken.
        """
        message = {"kind": "checkpoint", "name": path.stem, "points": _points(metrics, step), "step": step}
        self._write(message, lambda place: shutil.copy(path, place))

    def close(self, status: str) -> None:
        """End the run with a status and send what is left; what cannot be sent stays, and how to send it is told."""
        self._closing.set()
        self._thread.join()
        self._write_points()
        self._write({"kind": "status", "status": status, "time": _milliseconds()})
        if not self._send():
            _say(
                f"{store_uri()}: MLflow does not answer; what it is to know of run {self.run_id} is kept. "
                f"Send it later with: make send"
            )

    def _work(self) -> None:
        while not self._closing.wait(EVERY):
            self._write_points()
            self._send()

    def _write_points(self) -> None:
        points = []
        try:
            while True:
                points.append(self._points.get_nowait())
        except Empty:
            if points:
                self._write({"kind": "metrics", "points": points})

    def _write(self, message: Mapping[str, Any], attach: Callable[[Path], object] | None = None) -> None:
        path = self._folder / f"{time.time_ns():020d}.json"
        if attach:
            path.with_suffix("").mkdir(parents=True)
            attach(path.with_suffix(""))
        write_json(path, message, indent=None)

    def _send(self) -> bool:
        try:
            deliver(self._folder)
        except Exception as error:  # whatever a store may raise, the training goes on and the messages stay
            if not self._away:
                _say(f"{store_uri()}: MLflow does not answer ({_first_line(error)}); the training goes on")
            self._away = True
        else:
            if self._away:
                _say(f"{store_uri()}: MLflow answers again and has everything")
            self._away = False
        return not self._away


def deliver(folder: Path) -> None:
    """Send the messages of an outbox; remove each as soon as MLflow has it.

    A message that was sent and not removed, because the process was killed in between, is sent again: MLflow keeps
    equal metrics and files once.
    """
    client = MlflowClient(store_uri())
    for path in sorted(folder.glob("*.json")):
        message = read_json(path)
        _SEND[message["kind"]](client, folder.name, message, path.with_suffix(""))
        path.unlink()
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    if folder.exists() and not list(folder.iterdir()):
        folder.rmdir()


def _send_metrics(client: MlflowClient, run_id: str, message: dict[str, Any], _: Path) -> None:
    points = [Metric(name, float(value), *when) for name, value, *when in message["points"]]
    for first in range(0, len(points), AT_ONCE):
        client.log_batch(run_id, metrics=points[first : first + AT_ONCE])


def _send_files(client: MlflowClient, run_id: str, message: dict[str, Any], attached: Path) -> None:
    client.log_artifacts(run_id, str(attached), message["folder"])


def _send_checkpoint(client: MlflowClient, run_id: str, message: dict[str, Any], attached: Path) -> None:
    run = client.get_run(run_id)
    model = client.create_logged_model(
        run.info.experiment_id, message["name"], source_run_id=run_id, params=run.data.params, model_type="checkpoint"
    )
    client.log_model_artifacts(model.model_id, str(attached))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, message["step"])])
    validation = [entry.dataset for entry in run.inputs.dataset_inputs if entry.dataset.name.endswith(" validation")]
    data = {"dataset_name": validation[0].name, "dataset_digest": validation[0].digest} if validation else {}
    points = [
        Metric(name, float(value), *when, model_id=model.model_id, run_id=run_id, **data)
        for name, value, *when in message["points"]
    ]
    client.log_batch(run_id, metrics=points)


def _send_status(client: MlflowClient, run_id: str, message: dict[str, Any], _: Path) -> None:
    client.set_terminated(run_id, message["status"], message["time"])


_SEND = {
    "metrics": _send_metrics,
    "files": _send_files,
    "checkpoint": _send_checkpoint,
    "status": _send_status,
}


def _points(values: Mapping[str, float], step: int) -> list[Point]:
    return [(metric_name(name), repr(float(value)), _milliseconds(), step) for name, value in values.items()]


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def send_all() -> Iterator[str]:
    """Send what ended trainings could not tell MLflow.

    Yields:
        The id of each run, when MLflow has all of it.

    Raises:
        BmnError: MLflow does not answer.
    """
    for folder in sorted(outboxes().glob("*")):
        try:
            deliver(folder)
        except Exception as error:
            raise BmnError(f"{store_uri()}: MLflow does not answer ({_first_line(error)}); try again later") from error
        yield folder.name
