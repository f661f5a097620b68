"""The driver of a sweep: asks the study for trials, runs them as jobs, prunes, tells the study, confirms the best.

Only the driver writes the study, MLflow and the figures; jobs only train. Whatever is killed, the same command resumes:
a running trial keeps its number, and its job resumes from its checkpoint.
"""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from bmn.base.errors import BmnError
from bmn.base.schema import Params
from bmn.data.subset import open_subset
from bmn.execution.engines import open_engine
from bmn.execution.jobs import Event
from bmn.tracking.store import answering
from bmn.tracking.trials import Record
from bmn.training_jobs.data import digest_of_data
from bmn.training_jobs.folders import SWEEPS
from bmn.training_jobs.trainings import Plan, Trainings
from bmn.tuning.confirmation import candidates, confirmed, fresh_seeds, name_of
from bmn.tuning.figures import page, pictures
from bmn.tuning.space import Space, check_space, digest, suggest, with_values
from bmn.tuning.study import describe, named, only_driver, open_storage, open_study, sampler

HOPELESS = 3  # failed trials, with none successful, after which the sweep stops
ENDS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}


@answering()
def tune(params: Params, timeout: float | None, data: Path, entry: str = "bmn.tuning.job:trial") -> None:
    """Search for better parameters, or resume a search.

    Args:
        timeout: seconds after which no trial starts.
        data: folder of the converted data.
        entry: the function that trains, see :class:`bmn.execution.jobs.Job`.

    Raises:
        BmnError: the space, data, storage, study or engine is unusable; another driver runs the study; the data
            changed during the sweep; MLflow or the storage stops responding; or no trial succeeds.
    """
    current = check_space(params).defaults
    data_digest = digest_of_data(data)
    storage = open_storage(params.tune.storage)
    with only_driver(storage, params.tune.study):
        study = open_study(storage, params.tune.study, params.tune, digest(params, data_digest))
        if "current" not in study.user_attrs:
            study.set_user_attr("current", current)
            study.set_user_attr("key", uuid.uuid4().hex)
        # tune-apply may have changed params.yaml; the sweep stays with the parameters it started from.
        params = with_values(params, study.user_attrs["current"], "params.yaml")
        with open_engine(params.execution) as engine:
            dimensions = {key: json.dumps(dimension.model_dump()) for key, dimension in params.tune.space.items()}
            tags = {"optuna.study": study.study_name}
            record = Record(study.user_attrs["key"], f"sweep {study.study_name}", params, tags, dimensions)
            trainings = Trainings(engine, record, entry, data, data_digest, SWEEPS / "trainings")
            deadline = time.time() + timeout if timeout is not None else float("inf")
            status = "FAILED"
            try:
                sweep = Sweep(study, storage, params, check_space(params), trainings, deadline)
                status = "FINISHED" if sweep.search() and sweep.confirm() else "KILLED"
            except (KeyboardInterrupt, SystemExit):
                status = "KILLED"
                raise
            finally:
                record.close(status)


@dataclass
class Sweep:
    """One run of a sweep.

    Attributes:
        params: those that the sweep started from.
        deadline: Unix time after which no training starts.
    """

    study: optuna.Study
    storage: BaseStorage
    params: Params
    space: Space
    trainings: Trainings
    deadline: float
    _running: dict[str, optuna.Trial] = field(default_factory=dict)
    _errors: list[str] = field(default_factory=list)

    def search(self) -> bool:
        """Run trials until there are ``tune.trials`` or time is up; returns whether all are done."""
        self._close_runs()
        try:
            for event in self.trainings.run(self._plans()):
                self._hear(event)
        finally:
            self._draw()
        if sum(trial.state.is_finished() for trial in self._all()) < self.params.tune.trials:
            print("time is up; the same command resumes")
            return False
        return True

    def confirm(self) -> bool:
        """Train the best again with fresh seeds and print the verdict; returns whether all was done in time."""
        found = candidates(self._all(), self.space.defaults, self.params.tune.confirm.top)
        if len(found) == 1:
            print("no trial other than the current parameters was completed; try more TRIALS")
            return True
        seeds = fresh_seeds(self.params.train.seed, self.params.tune.confirm.seeds)
        values = {name_of(name, seed): {**found[name], "train.seed": seed} for name in found for seed in seeds}
        known = dict(self.study.user_attrs.get("confirmed trainings", {}))
        print(f"confirming {', '.join(found)} with {len(values)} trainings", flush=True)
        plans = (
            Plan(name, name, with_values(self.params, values[name], name))
            for name in values
            if name not in known and time.time() < self.deadline
        )
        for name, figures in self.trainings.figures(plans):
            known[name] = figures["AUC"]
            self.study.set_user_attr("confirmed trainings", known)
        result = confirmed(found, seeds, known, len(open_subset(self.trainings.data, "validation").videos))
        result.write(self.study)
        print(result.verdict())
        self._draw()
        for one in result.candidates:
            means = {f"confirmed/{one.name}/mean": one.mean, f"confirmed/{one.name}/std": one.deviation}
            self.trainings.record.metrics(self.trainings.record.run, means)
        return time.time() < self.deadline or known.keys() >= values.keys()

    def _all(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _plans(self) -> Iterator[Plan]:
        """The trials a killed driver left running, then new ones, first of all the current parameters."""
        left = [trial.number for trial in self._all() if trial.state == TrialState.RUNNING]
        while time.time() < self.deadline:
            begun = sum(trial.state != TrialState.WAITING for trial in self._all())
            if not left and begun >= self.params.tune.trials:
                return
            if not self._all():
                self.study.enqueue_trial({key: self.space.defaults[key] for key in self.space.trained})
            trial = self._resumed(left.pop(0)) if left else self.study.ask()
            self.study.sampler = sampler(self.params.tune, trial.number)
            values = suggest(trial, self.space.trained)
            name = f"trial {trial.number}"
            self._running[name] = trial
            try:
                params = with_values(self.params, values, name)
            except BmnError as error:
                self._failed(name, str(error))
                continue
            title = f"{self.study.study_name} {trial.number}: {named(values)}"
            yield Plan(name, title, params, {"optuna.trial": str(trial.number)}, self.space.searched)

    def _resumed(self, number: int) -> optuna.Trial:
        study = self.storage.get_study_id_from_name(self.study.study_name)
        return optuna.Trial(self.study, self.storage.get_trial_id_from_study_id_trial_number(study, number))

    def _hear(self, event: Event) -> None:
        match event.kind:
            case "told" if "row" in event.content and self._prunes(self._running[event.job], event.content["row"]):
                self._end(event.job, TrialState.PRUNED)
            case "result":
                for key, value in event.content.items():
                    self._running[event.job].set_user_attr(key, value)
                self._end(event.job, TrialState.COMPLETE)
            case "died":
                self._failed(event.job, event.content)

    def _prunes(self, trial: optuna.Trial, row: dict[str, float]) -> bool:
        """Whether a trial is not among the best at an epoch where trials are compared.

        With two objectives Optuna compares none. A resumed job tells its earlier epochs once more.
        """
        epoch = int(row["epoch"])
        if self.params.tune.cost or "val/AUC" not in row:
            return False
        last = self._all()[trial.number].last_step or 0
        if epoch > last:
            trial.report(row["val/AUC"], epoch)
        return last <= epoch < self.params.train.epochs and trial.should_prune()

    def _failed(self, name: str, why: str) -> None:
        self._running[name].set_user_attr("error", why)
        self._errors.append(why)
        self._end(name, TrialState.FAIL)
        succeeded = any(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in self._all())
        if not succeeded and len(self._errors) >= min(HOPELESS, self.params.tune.trials):
            raise BmnError(f"every trial fails; the first error: {self._errors[0]}")

    def _end(self, name: str, state: TrialState) -> None:
        """Tell the study how a trial ended, then MLflow: the next driver closes a run left open in between."""
        trial = self._running.pop(name)
        figures = trial.user_attrs.get("figures", {})
        objectives = (
            [figures["AUC"], figures["milliseconds a video"]][: len(self.study.directions)] if figures else None
        )
        told = self.study.tell(trial, objectives, state)
        self.trainings.end(name, *_end_of(told))
        ended = sum(one.state.is_finished() for one in self._all())
        print(f"[{ended}/{self.params.tune.trials}] {describe(told)}", flush=True)

    def _close_runs(self) -> None:
        """End the runs of finished trials whose driver was killed before it ended them."""
        trials = {str(trial.number): trial for trial in self._all() if trial.state.is_finished()}
        record = self.trainings.record
        for run, number in record.open_children("optuna.trial").items():
            if number in trials:
                status, figures, found, tags = _end_of(trials[number])
                record.end(run, status, figures, found, tags)

    def _draw(self) -> None:
        """Log the figures: pictures, and one page that needs no network."""
        if any(trial.state == TrialState.COMPLETE for trial in self._all()):
            self.trainings.record.drawings(pictures(self.study), {"sweep": page(self.study)})


def _end_of(trial: FrozenTrial) -> tuple[str, dict[str, float], dict[str, Any], dict[str, str]]:
    """How a trial ended, for MLflow: status, metrics, the parameters found by the inner search, tags."""
    attributes = trial.user_attrs
    figures = {f"tune/{key}": value for key, value in attributes.get("figures", {}).items()}
    tags = {"optuna.state": trial.state.name} | {key: attributes[key] for key in ("error",) if key in attributes}
    return ENDS[trial.state], figures, attributes.get("proposals", {}), tags
