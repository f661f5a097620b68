"""Trainings as jobs, logged to MLflow: the trials of a sweep, its confirmation, several seeds."""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.files import turn
from bmn.base.schema import Dimension, Params
from bmn.execution.engines import open_engine
from bmn.execution.jobs import Engine, Event, Job, run
from bmn.provenance import identity
from bmn.tracking.store import answering
from bmn.tracking.trials import Record
from bmn.training_jobs.data import DataChangedError, digest_of_data

INTERVAL = 30.0  # seconds between progress lines of each training


@dataclass(frozen=True)
class Plan:
    """A training to run.

    Attributes:
        name: unique within its record.
        title: of its run in MLflow.
        searched: dimensions of ``proposals.`` for the inner search.
    """

    name: str
    title: str
    params: Params
    tags: Mapping[str, str] = field(default_factory=dict)
    searched: Mapping[str, Dimension] = field(default_factory=dict)


@dataclass
class Trainings:
    """Runs trainings and logs them; the caller interprets the events.

    Attributes:
        entry: the function that trains; see :mod:`bmn.training_jobs.job`.
        data: folder of the converted data.
        digest: of the data (:func:`bmn.training_jobs.data.digest_of_data`).
        folder: for all trainings.
    """

    engine: Engine
    record: Record
    entry: str
    data: Path
    digest: str
    folder: Path
    _runs: dict[str, str] = field(default_factory=dict)

    def run(self, plans: Iterator[Plan]) -> Iterator[Event]:
        """Run trainings and yield their events; one that fails ends with ``died`` and the reason.

        Raises:
            BmnError: the data changed, so that new trainings would not be comparable with earlier ones.
        """
        progress = Progress()
        for event in run(self.engine, map(self._job, plans)):
            progress.hear(event, self.engine.running)
            if event is None:
                continue
            if event.kind == "started":
                print(f"{event.job} starts on {event.content}", flush=True)
            elif event.kind == "told" and "row" in event.content:
                self.record.log(self._runs[event.job], event.content["row"])
            elif event.kind == "error":
                if event.content["type"] == DataChangedError.__name__:
                    raise BmnError(event.content["text"])
                event = Event(event.job, "died", event.content["text"])
            yield event

    def end(
        self,
        name: str,
        status: str,
        figures: Mapping[str, float],
        found: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> None:
        """End the run of a training, and stop the training if it still runs."""
        if name in self.engine.running:
            self.engine.cancel(name)
        if name in self._runs:
            self.record.end(self._runs.pop(name), status, figures, found, tags)

    def figures(self, plans: Iterator[Plan]) -> Iterator[tuple[str, dict[str, float]]]:
        """Run trainings to completion; yields the name and metrics of each that succeeds."""
        for event in self.run(plans):
            if event.kind == "result":
                figures = event.content["figures"]
                self.end(event.job, "FINISHED", {f"tune/{key}": figures[key] for key in figures}, {}, {})
                print(f"{event.job} complete  AUC {figures['AUC']:.2f}", flush=True)
                yield event.job, figures
            elif event.kind == "died":
                self.end(event.job, "FAILED", {}, {}, {"error": event.content})
                print(f"{event.job} fail  {event.content}", flush=True)

    def _job(self, plan: Plan) -> Job:
        self._runs[plan.name] = self.record.begin(plan.name, plan.title, plan.params, plan.tags)
        params = plan.params.model_dump()
        params["execution"]["devices"] = self.engine.devices
        arguments = {
            "params": params,
            "searched": {key: dimension.model_dump() for key, dimension in plan.searched.items()},
            "data": str(self.data),
            "digest": self.digest,
            "folder": str(self.folder),
        }
        return Job(plan.name, self.entry, arguments, [str(self.data.absolute())])


class Progress:
    """Prints epoch, AUC and remaining time of each training every ``INTERVAL`` seconds."""

    def __init__(self) -> None:
        self._said = time.monotonic()
        self._begun: dict[str, tuple[float, float]] = {}
        self._last: dict[str, dict[str, Any]] = {}

    def hear(self, event: Event | None, running: Collection[str]) -> None:
        """Take an event, if there is one.

        Args:
            running: the trainings that have not ended; of one that was pruned no event says so.
        """
        now = time.monotonic()
        if event is not None and event.kind == "started":
            self._begun.pop(event.job, None)  # it may have been heard before: a job whose process died is tried again
            self._last.pop(event.job, None)
        elif event is not None and event.kind == "told":
            self._last[event.job] = self._last.get(event.job, {}) | event.content
            self._begun.setdefault(event.job, (now, event.content["done"]))
        if now - self._said > INTERVAL:
            self._said = now
            for name in self._last:
                if name in running:
                    print(self._line(name, now), flush=True)

    def _line(self, name: str, now: float) -> str:
        told, (since, before) = self._last[name], self._begun[name]
        auc = told.get("row", {}).get("val/AUC")
        words = f"{name}  epoch {told['epoch']}" + ("" if auc is None else f"  AUC {auc:.2f}")
        if told["done"] > before:
            left = (now - since) * (1 - told["done"]) / (told["done"] - before)
            words += f"  {left:.0f} s left" if left < 120 else f"  {left / 60:.0f} min left"
        return words


@answering()
def train_seeds(params: Params, seeds: list[int], data: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Train with several seeds and evaluate each; returns the metrics of each, in percent.

    Args:
        data: folder of the converted data.
        folder: for all trainings.

    Raises:
        BmnError: the data or engine is unusable, another process is at it, MLflow stops responding, or a training
            failed.
    """
    digest = digest_of_data(data)
    plans = []
    for seed in seeds:
        train = params.train.model_copy(update={"seed": seed})
        plans.append(Plan(f"seed {seed}", f"seed {seed}", params.model_copy(update={"train": train})))
    shaping = params.model_dump(include={"model", "train", "proposals", "evaluate"})
    key = identity(Path(__file__).with_name("seed.py"), shaping, [digest])
    taken = "another bmn seeds trains with these parameters and data; wait for it, its trainings are then not repeated"
    with turn(folder / key, taken), open_engine(params.execution) as engine:
        record = Record(f"seeds {key}", "seeds", params, {}, {})
        figures: dict[str, dict[str, float]] = {}
        try:
            entry = "bmn.training_jobs.seed:seed"
            figures |= Trainings(engine, record, entry, data, digest, folder).figures(iter(plans))
        finally:
            record.close("FINISHED" if len(figures) == len(plans) else "FAILED")
    missing = [plan.name for plan in plans if plan.name not in figures]
    if missing:
        raise BmnError(f"{', '.join(missing)}: the training failed, see above; the others are done")
    return {plan.name: figures[plan.name] for plan in plans}
