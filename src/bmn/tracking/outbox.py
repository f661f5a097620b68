"""Asynchronous logging to MLflow: a training writes to a journal on disk, from which a thread sends.

The training never waits, a server outage costs nothing, and a kill neither loses nor duplicates a point.
``bmn send`` sends what earlier training runs left behind.
"""

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from bmn.base.checksums import sha256
from bmn.base.errors import BmnError, without_passwords
from bmn.data.subset import Subset
from bmn.report.figures import loss_curves
from bmn.tracking.delivery import deliver, delivery_lock, outboxes
from bmn.tracking.journal import Journal, milliseconds, points
from bmn.tracking.store import first_line, open_store, project_root, store_uri

EVERY = 2.0  # seconds between deliveries


class Outbox:
    """The journal of one run, sent by a background thread until it is closed.

    Args:
        run_id: of the run, whose status becomes RUNNING.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._folder = outboxes() / run_id
        self._journal = Journal(self._folder)
        with delivery_lock():
            self._journal.cut()
            self._known = self._journal.known() if self._journal.exists() else _known_to_mlflow(run_id)
            self._status("RUNNING")
        self._down = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)
        self._thread.start()

    def about(self, params: Mapping[str, Any], tags: Mapping[str, Any]) -> None:
        """Log parameters and tags."""
        self._journal.append([{"kind": "about", "params": dict(params), "tags": dict(tags)}])

    def dataset(self, subset: Subset, source: str) -> None:
        """Log a subset of the converted data as an input.

        Args:
            source: ``data.source``.
        """
        self._journal.append([dataset_message(subset, source)])

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Log metrics, except those that an earlier start of the training has logged for this step."""
        new = [point for point in points(values, step) if (point[0], step) not in self._known]
        if new:
            self._journal.append(new)
            self._known |= {(name, step) for name, *_ in new}

    def losses(self, history: Sequence[dict[str, float]]) -> None:
        """Log the loss curves as a figure.

        Args:
            history: one row per epoch, as training returns it.
        """
        self._journal.attach("losses.png", loss_curves(history).savefig)
        self._journal.append([{"kind": "file", "file": "losses.png", "folder": "figures"}])

    def checkpoint(self, path: Path, step: int) -> None:
        """Log weights as a logged model, with the run's validation metrics of that step.

        Args:
            path: the file; its stem becomes the model's name.
            step: number of iterations done.
        """
        self._journal.attach(path.name, lambda place: place.write_bytes(path.read_bytes()))
        content = sha256(self._journal.attached(path.name))
        self._journal.append([{"kind": "checkpoint", "file": path.name, "sha256": content, "step": step}])

    def close(self, status: str) -> None:
        """End the run with a status and send what is left; if that fails, say how to send it later."""
        self._status(status)  # first, because a server that is down may keep the thread until this process is killed
        self._closing.set()
        self._thread.join()
        if not self._send():
            _say(
                f"{store_uri()}: MLflow does not respond; the unsent part of run {self.run_id} is kept. "
                f"Send it later with: make send"
            )

    def _status(self, status: str) -> None:
        self._journal.append([{"kind": "status", "status": status, "time": milliseconds()}])

    def _work(self) -> None:
        while not self._closing.wait(EVERY):
            self._send()

    def _send(self) -> bool:
        try:
            deliver(self._folder)
        except Exception as error:  # whatever the store raises, the training continues and the journal stays
            if not self._down:
                _say(f"{store_uri()}: MLflow does not respond ({first_line(error)}); the training continues")
            self._down = True
        else:
            if self._down:
                _say(f"{store_uri()}: MLflow responds again and is up to date")
            self._down = False
        return not self._down


def dataset_message(subset: Subset, source: str) -> dict[str, Any]:
    """A subset as an input of a run."""
    name = subset.store.path.stem
    path = str(subset.store.path)
    return {"kind": "dataset", "subset": name, "name": f"{source} {name}", "digest": subset.digest, "path": path}


def end_as_failed(run_id: str) -> None:
    """Mark a training run as FAILED if its processes died without recording a final status."""
    journal = Journal(outboxes() / run_id)
    journal.cut()
    if journal.exists() and journal.ended() is None:
        journal.append([{"kind": "status", "status": "FAILED", "time": milliseconds()}])
    try:
        open_store()
        deliver(journal.folder)
    except Exception as error:
        _say(f"{store_uri()}: MLflow does not respond ({first_line(error)}); it may still show run {run_id} as RUNNING")


def _known_to_mlflow(run_id: str) -> set[tuple[str, int]]:
    """Metric and step of every point of a run in MLflow."""
    client = MlflowClient(store_uri())
    names = client.get_run(run_id).data.metrics
    return {(name, point.step) for name in names for point in client.get_metric_history(run_id, name)}


def _say(sentence: str) -> None:
    print(without_passwords(sentence), file=sys.stderr, flush=True)


def send_all() -> Iterator[str]:
    """Send what earlier training runs could not send to MLflow.

    Yields:
        The id of each run of which something was sent, once MLflow has all of it.

    Raises:
        BmnError: the store does not open, or some runs cannot be sent; all others have been.
    """
    open_store()
    left = []
    for folder in sorted(path for path in outboxes().glob("*") if path.is_dir()):
        try:
            sent = deliver(folder)
        except Exception as error:
            left.append(f"{folder.relative_to(project_root())}: cannot be sent to MLflow ({first_line(error)})")
        else:
            if sent:
                yield folder.name
    if left:
        raise BmnError("\n".join([*left, f"{store_uri()}: try again later, or delete the folder of a deleted run"]))
