"""What a training tells MLflow: into a journal on disk at once, from there to MLflow by a thread.

The training never waits, a server that goes away costs nothing, and a kill neither loses nor doubles a point.
``bmn send`` sends what ended trainings left.
"""

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from bmn.base.checksums import sha256
from bmn.base.errors import BmnError
from bmn.data.subset import Subset
from bmn.report.figures import loss_curves
from bmn.tracking.delivery import deliver, delivering, outboxes
from bmn.tracking.journal import Journal, milliseconds, points
from bmn.tracking.store import first_line, open_store, project_root, store_uri

EVERY = 2.0  # seconds between sendings


class Outbox:
    """The journal of one run, sent by a thread until it is closed.

    Args:
        run_id: of the run, which is RUNNING from now on.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._folder = outboxes() / run_id
        self._journal = Journal(self._folder)
        with delivering():
            self._journal.cut()
            self._known = self._journal.known() if self._journal.exists() else _known_to_mlflow(run_id)
            self._status("RUNNING")
        self._away = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)
        self._thread.start()

    def about(self, params: Mapping[str, Any], tags: Mapping[str, Any]) -> None:
        """Tell what the run is of."""
        self._journal.append([{"kind": "about", "params": dict(params), "tags": dict(tags)}])

    def dataset(self, subset: Subset, source: str) -> None:
        """Tell what the run reads.

        Args:
            subset: of the converted data.
            source: ``data.source``.
        """
        self._journal.append([dataset_message(subset, source)])

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Tell metrics; those that were told of this step by an earlier start of the training are not told again."""
        new = [point for point in points(values, step) if (point[0], step) not in self._known]
        if new:
            self._journal.append(new)
            self._known |= {(name, step) for name, *_ in new}

    def losses(self, history: Sequence[dict[str, float]]) -> None:
        """Tell the curves of the losses as a figure.

        Args:
            history: a line an epoch, as a training gives it.
        """
        self._journal.attach("losses.png", loss_curves(history).savefig)
        self._journal.append([{"kind": "file", "file": "losses.png", "folder": "figures"}])

    def checkpoint(self, path: Path, step: int) -> None:
        """Tell weights that are kept: they become a logged model, with the run's validation metrics of that step.

        Args:
            path: the file; its stem is the name of the model.
            step: iterations done when they were taken.
        """
        self._journal.attach(path.name, lambda place: place.write_bytes(path.read_bytes()))
        content = sha256(self._journal.attached(path.name))
        self._journal.append([{"kind": "checkpoint", "file": path.name, "sha256": content, "step": step}])

    def close(self, status: str) -> None:
        """End the run with a status and send what is left; what cannot be sent stays, and how to send it is told."""
        self._closing.set()
        self._thread.join()
        self._status(status)
        if not self._send():
            _say(
                f"{store_uri()}: MLflow does not answer; what it is to know of run {self.run_id} is kept. "
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
        except Exception as error:  # whatever a store may raise, the training goes on and the journal stays
            if not self._away:
                _say(f"{store_uri()}: MLflow does not answer ({first_line(error)}); the training goes on")
            self._away = True
        else:
            if self._away:
                _say(f"{store_uri()}: MLflow answers again and has everything")
            self._away = False
        return not self._away


def dataset_message(subset: Subset, source: str) -> dict[str, Any]:
    """A subset as an input of a run."""
    name = subset.store.path.stem
    path = str(subset.store.path)
    return {"kind": "dataset", "subset": name, "name": f"{source} {name}", "digest": subset.digest, "path": path}


def end_as_failed(run_id: str) -> None:
    """Say of a training whose processes are gone, and which did not say how it ended, that it is FAILED."""
    journal = Journal(outboxes() / run_id)
    journal.cut()
    if journal.exists() and journal.ended() is None:
        journal.append([{"kind": "status", "status": "FAILED", "time": milliseconds()}])
    try:
        deliver(journal.folder)
    except Exception as error:
        _say(f"{store_uri()}: MLflow does not answer ({first_line(error)}); run {run_id} may be called RUNNING there")


def _known_to_mlflow(run_id: str) -> set[tuple[str, int]]:
    """Metric and step of every point that MLflow has of a run."""
    client = MlflowClient(store_uri())
    names = client.get_run(run_id).data.metrics
    return {(name, point.step) for name in names for point in client.get_metric_history(run_id, name)}


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def send_all() -> Iterator[str]:
    """Send what ended trainings could not tell MLflow.

    Yields:
        The id of each run of which something was sent, when MLflow has all of it.

    Raises:
        BmnError: the store does not open, or it does not take what some runs have left; those after them are sent.
    """
    open_store()
    left = []
    for folder in sorted(path for path in outboxes().glob("*") if path.is_dir()):
        try:
            sent = deliver(folder)
        except Exception as error:
            left.append(f"{folder.relative_to(project_root())}: MLflow does not take it ({first_line(error)})")
        else:
            if sent:
                yield folder.name
    if left:
        raise BmnError("\n".join([*left, f"{store_uri()}: try again later; a folder of a deleted run can be removed"]))
