"""Trainings as jobs, filed in MLflow: a list of them, for the confirmation of a sweep and for several seeds."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.params import Params
from bmn.execution.engines import open_engine
from bmn.execution.jobs import Engine, Event, Job, run
from bmn.provenance import identity
from bmn.tracking.trials import Record
from bmn.tuning.job import DataChangedError, digest_of_data

SAY = 30.0  # seconds between lines about each training


@dataclass(frozen=True)
class Trainings:
    """What trainings have in common.

    Attributes:
        data: folder of the converted data.
        digest: of its content.
        folder: of all trainings.
        entry: what trains; see :mod:`bmn.tuning.job`.
    """

    engine: Engine
    record: Record
    data: str
    digest: str
    folder: str
    entry: str

    def job(self, name: str, params: Params, searched: Mapping[str, Any]) -> Job:
        """The job of a training."""
        train = params.train.model_copy(update={"devices": self.engine.devices})
        arguments = {
            "params": params.model_copy(update={"train": train}).model_dump(),
            "searched": dict(searched),
            "data": self.data,
            "digest": self.digest,
            "folder": self.folder,
        }
        return Job(name, self.entry, arguments)

    def run(
        self, plan: Iterator[tuple[str, Params]], tags: Mapping[str, str]
    ) -> Iterator[tuple[str, dict[str, float]]]:
        """Run trainings by name; gives the figures of each that succeeds, as it ends."""
        runs: dict[str, str] = {}

        def jobs() -> Iterator[Job]:
            for name, params in plan:
                runs[name] = self.record.begin(name, name, params, tags)
                yield self.job(name, params, {})

        progress = Progress()
        for event in run(self.engine, jobs()):
            progress.hear(event)
            if event is None:
                continue
            name, content = event.job, event.content
            if event.kind == "started":
                print(f"{name} starts on {content}", flush=True)
            elif event.kind == "told" and "row" in content:
                self.record.log(runs[name], content["row"])
            elif event.kind == "result":
                figures = content["figures"]
                self.record.end(runs[name], "FINISHED", {f"tune/{key}": figures[key] for key in figures}, {}, {})
                print(f"{name} complete  AUC {figures['AUC']:.2f}", flush=True)
                yield name, figures
            elif event.kind in ("error", "died"):
                if event.kind == "error":
                    raise_if_data_changed(content)
                why = content["text"] if event.kind == "error" else content
                self.record.end(runs[name], "FAILED", {}, {}, {"error": why})
                print(f"{name} fail  {why}", flush=True)


class Progress:
    """Says every so often how each training goes: epoch, AUC, time left."""

    def __init__(self) -> None:
        self._said = time.monotonic()
        self._begun: dict[str, tuple[float, float]] = {}
        self._last: dict[str, dict[str, Any]] = {}

    def hear(self, event: Event | None) -> None:
        """Take an event of a training."""
        if event is not None and event.kind == "told":
            told = {**self._last.get(event.job, {}), **event.content}
            self._last[event.job] = told
            self._begun.setdefault(event.job, (time.monotonic(), told["done"]))
        elif event is not None and event.kind != "started":
            self._last.pop(event.job, None)
            self._begun.pop(event.job, None)
        if time.monotonic() - self._said > SAY:
            self._said = time.monotonic()
            for name, told in self._last.items():
                print(self._line(name, told), flush=True)

    def _line(self, name: str, told: dict[str, Any]) -> str:
        since, before = self._begun[name]
        auc = told.get("row", {}).get("val/AUC")
        words = f"{name}  {told['epoch']} epochs done" + ("" if auc is None else f"  AUC {auc:.2f}")
        if told["done"] > before:
            left = (time.monotonic() - since) * (1 - told["done"]) / (told["done"] - before)
            words += f"  {left:.0f} s left" if left < 120 else f"  {left / 60:.0f} min left"
        return words


def raise_if_data_changed(error: Mapping[str, str]) -> None:
    """Nothing that a sweep trains from now on could be compared with what it has."""
    if error["type"] == DataChangedError.__name__:
        raise BmnError(error["text"])


def train_seeds(params: Params, seeds: list[int], data: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Train with several seeds and evaluate each; gives the figures by name, in percent.

    Raises:
        BmnError: the data or the engine does not allow it, or a training failed.
    """
    digest = digest_of_data(data)
    plan = {
        f"seed {seed}": params.model_copy(update={"train": params.train.model_copy(update={"seed": seed})})
        for seed in seeds
    }
    with open_engine(params.execution, params.train.devices) as engine:
        key = identity(Path(__file__), params.model_dump(include={"model", "train", "proposals"}), [digest])
        record = Record(f"seeds {key}", "seeds", params, {}, {"seeds": seeds})
        status = "FAILED"
        try:
            trainings = Trainings(engine, record, str(data), digest, str(folder), "bmn.tuning.job:seed")
            figures = dict(trainings.run(iter(plan.items()), {}))
            status = "FINISHED" if len(figures) == len(plan) else "FAILED"
        finally:
            record.close(status)
    missing = [name for name in plan if name not in figures]
    if missing:
        raise BmnError(f"{', '.join(missing)}: the training failed, for the reason above; the others are done")
    return {name: figures[name] for name in plan}
