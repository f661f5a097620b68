"""Many trainings under one run: a sweep and a child for each trial, or seeds; written by one process, the driver."""

import io
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from bmn.base.schema import Params
from bmn.launch.signals import postponed
from bmn.provenance import NEUTRAL_PARAMETERS
from bmn.tracking.journal import metric_name
from bmn.tracking.runs import PARENT, START, find_run, origin, settings
from bmn.tracking.store import connect

LONGEST_NAME, LONGEST_TAG = 250, 5000  # characters

Row = Mapping[str, float]


class Record:
    """A parent run and its children, found again by an earlier start's names: what is begun twice is there once.

    Args:
        key: what names the parent among all runs.
        name: what a person reads.
        params: as the run begins; what shapes no training is filed as tags.
        tags: of the parent and of every child.
        about: parameters of the parent itself.
    """

    def __init__(self, key: str, name: str, params: Params, tags: Mapping[str, str], about: Mapping[str, Any]) -> None:
        self._experiment = connect(params.tracking.experiment)
        self._client = MlflowClient()
        self._filed: dict[str, int] = {}
        self._tags = tags
        self.run = self._begin(key, name, {**settings(params, "data"), **tags, **origin()}, about)

    def begin(self, name: str, title: str, params: Params, tags: Mapping[str, str]) -> str:
        """Begin a child, or take up that of an earlier start; gives its id.

        Args:
            name: among the children.
        """
        own = settings(params, "model", "train")
        shaping = {key: value for key, value in own.items() if key not in NEUTRAL_PARAMETERS}
        return self._begin(f"{self.run} {name}", title, {**self._tags, **tags, PARENT: self.run}, shaping)

    def log(self, run: str, row: Row) -> None:
        """File an epoch of a child, unless an earlier start did."""
        if row["epoch"] > self._filed[run]:
            self.metrics(run, {name: value for name, value in row.items() if "/" in name}, int(row["epoch"]))
            self._filed[run] = int(row["epoch"])

    @postponed()
    def end(self, run: str, status: str, metrics: Row, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """End a child: FINISHED, KILLED or FAILED; with its figures, the parameters it found, what else is known."""
        self.metrics(run, metrics)
        self._client.log_batch(
            run,
            params=[Param(key, str(value)) for key, value in params.items()],
            tags=[RunTag(key, value[:LONGEST_TAG]) for key, value in tags.items()],
        )
        self._end_child(run, status)

    @postponed()
    def close(self, status: str) -> None:
        """End the parent; children that are still open were stopped with it, one perhaps while it was begun."""
        for run in self.open_children():
            self._end_child(run, "KILLED")
        self._client.set_terminated(self.run, status)

    def open_children(self, tag: str = START) -> dict[str, str]:
        """A tag of the children that are open, perhaps since an earlier start, by their ids."""
        still = f"tags.`{PARENT}` = '{self.run}' and attributes.status = 'RUNNING'"
        found = self._client.search_runs([self._experiment], still)
        return {run.info.run_id: run.data.tags.get(tag, "") for run in found}

    @postponed()
    def metrics(self, run: str, values: Mapping[str, float], step: int = 0) -> None:
        """File metrics under a run."""
        now = int(1000 * time.time())
        found = [Metric(metric_name(key), value, now, step) for key, value in values.items()]
        self._client.log_batch(run, metrics=found)

    def drawings(self, pictures: Mapping[str, Any], pages: Mapping[str, str]) -> None:
        """File drawings (of matplotlib) and pages (HTML) under ``figures/`` of the parent, by name."""
        words = {"bbox_inches": "tight", "dpi": 110}
        for name, picture in pictures.items():
            self._client.log_figure(self.run, picture, f"figures/{name}.png", save_kwargs=words)
        for name, html in pages.items():
            self._client.log_text(self.run, html, f"figures/{name}.html")

    @postponed()
    def _begin(self, key: str, name: str, tags: Mapping[str, Any], params: Mapping[str, Any]) -> str:
        run = find_run(self._client, self._experiment, None, START, key)
        if run is not None:
            self._client.update_run(run, status="RUNNING")
            points = self._client.get_metric_history(run, "train/loss")
            self._filed[run] = max((point.step for point in points), default=0)
            return run
        words = {tag: str(value)[:LONGEST_TAG] for tag, value in {START: key, **tags}.items()}
        run = str(self._client.create_run(self._experiment, run_name=name[:LONGEST_NAME], tags=words).info.run_id)
        self._client.log_batch(run, params=[Param(key, str(value)) for key, value in params.items()])
        self._filed[run] = 0
        return run

    def _end_child(self, run: str, status: str) -> None:
        with redirect_stdout(io.StringIO()):  # with a server, MLflow prints links; that of the parent is enough
            self._client.set_terminated(run, status)
