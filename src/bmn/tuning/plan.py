"""Which trials a sweep is made of, so that none is lost or doubled however its workers end.

A sweep has slots, each to be filled by one trial. Planning puts a waiting trial into every slot that has none; a
worker takes a waiting trial by an atomic change of its state. A trial whose worker died is marked, and planning
fills its slot again: once where the worker died alone, always where the whole sweep ended with it. Of several trials
in a slot (two hosts planned at the same moment) only the first counts, and only it is ever started, so no lock is
needed and the number of trials is exact.
"""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

BEAT = 20.0  # seconds between signs of life
SILENCE = 180.0  # seconds without one after which a worker on another host counts as dead


@dataclass(frozen=True)
class Slot:
    """What a slot is to be filled with.

    Attributes:
        params: values that the sampler has to take; it chooses the others.
        values: if given, all values there are: nothing is left to choose.
    """

    params: Mapping[str, Any]
    values: Mapping[str, Any] | None = None


Plan = Mapping[str, Slot]


@dataclass(frozen=True)
class Shared:
    """A study and the storage that it lies in."""

    study: optuna.Study
    storage: BaseStorage

    def trials(self) -> list[FrozenTrial]:
        """All trials, in order."""
        return self.study.get_trials(deepcopy=False)

    def id_of(self, trial: FrozenTrial) -> int:
        """The storage's name for a trial."""
        study = self.storage.get_study_id_from_name(self.study.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study, trial.number)


def by_slot(trials: list[FrozenTrial]) -> dict[str, list[FrozenTrial]]:
    """The trials of each slot, in order."""
    slots: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        if "slot" in trial.user_attrs:  # a person may add others
            slots.setdefault(trial.user_attrs["slot"], []).append(trial)
    return slots


def counted(trials: list[FrozenTrial]) -> dict[str, FrozenTrial]:
    """The trial that counts, of each slot: the first that did not lose its worker, or the last."""
    return {
        slot: next((trial for trial in those if not _lost(trial)), those[-1]) for slot, those in by_slot(trials).items()
    }


def fill(shared: Shared, plan: Plan) -> None:
    """Put a waiting trial into every slot of a plan that needs one."""
    slots = by_slot(shared.trials())
    for name, slot in plan.items():
        there = slots.get(name, [])
        if all(_lost(trial) for trial in there) and _deaths(there) < 2:
            attrs: dict[str, Any] = {"slot": name}
            params = dict(slot.params)
            if there:
                params = there[-1].params or params
                attrs["retry of"] = there[-1].number
            if slot.values is not None:
                attrs["values"] = dict(slot.values)
            shared.study.enqueue_trial(params, user_attrs=attrs)


def _lost(trial: FrozenTrial) -> bool:
    """Whether a trial ended without its worker; one that was given up too early and ended well is not lost."""
    return "lost" in trial.user_attrs and trial.state in (TrialState.RUNNING, TrialState.FAIL)


def _deaths(trials: list[FrozenTrial]) -> int:
    return sum(trial.user_attrs["lost"] == "died" for trial in trials)


def waiting(shared: Shared, plan: Plan) -> Iterator[FrozenTrial]:
    """The trials of a plan that can be started."""
    for slot, trial in counted(shared.trials()).items():
        if slot in plan and trial.state == TrialState.WAITING:
            yield trial


def claim(shared: Shared, plan: Plan) -> optuna.Trial | None:
    """Take a waiting trial, which no other worker gets then; None where there is none left."""
    for trial in waiting(shared, plan):
        trial_id = shared.id_of(trial)
        try:
            taken = shared.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        except UpdateFinishedTrialError:
            continue
        if taken:
            shared.storage.set_trial_user_attr(trial_id, "worker", _this_worker())
            shared.storage.set_trial_user_attr(trial_id, "alive", time.time())
            return optuna.Trial(shared.study, trial_id)
    return None


def unfinished(shared: Shared, plan: Plan) -> int:
    """How many trials of a plan wait or run."""
    found = counted(shared.trials())
    return sum(slot in found and not found[slot].state.is_finished() for slot in plan)


def mark_lost(shared: Shared) -> list[FrozenTrial]:
    """Mark the running trials whose worker died as failed, and give them."""
    dead = [trial for trial in shared.trials() if trial.state == TrialState.RUNNING and not _lives(trial)]
    return [trial for trial in dead if give_up(shared, trial, "died" if _died_alone(trial) else "stopped")]


def put_back(shared: Shared) -> None:
    """Give up what this worker is at; it is planned again."""
    for trial in shared.trials():
        if trial.state == TrialState.RUNNING and trial.user_attrs.get("worker") == _this_worker():
            give_up(shared, trial, "stopped")


def give_up(shared: Shared, trial: FrozenTrial, why: str) -> bool:
    """Mark a running trial as lost: ``died`` (planned again once) or ``stopped`` (planned again).

    Returns:
        False where it had ended or been given up already.
    """
    trial_id = shared.id_of(trial)
    try:
        shared.storage.set_trial_user_attr(trial_id, "lost", why)
        return shared.storage.set_trial_state_values(trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        return False


def _this_worker() -> dict[str, Any]:
    sweep = psutil.Process(os.getppid())
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": psutil.Process().create_time(),
        "sweep": [sweep.pid, sweep.create_time()],
    }


def _lives(trial: FrozenTrial) -> bool:
    """Whether the worker of a running trial lives: by its process on this host, elsewhere by its signs of life."""
    worker = trial.user_attrs.get("worker")
    if worker is None:  # it was claimed a moment ago, or its worker died at that very moment
        assert trial.datetime_start is not None
        return time.time() - trial.datetime_start.timestamp() < 10
    if worker["host"] != socket.gethostname():
        return time.time() - float(trial.user_attrs.get("alive", 0)) < SILENCE
    return _runs(worker["pid"], worker["born"])


def _died_alone(trial: FrozenTrial) -> bool:
    """Whether the sweep outlived its worker, as far as that can be told: then the trial may be the cause."""
    worker = trial.user_attrs.get("worker")
    return worker is not None and (worker["host"] != socket.gethostname() or _runs(*worker["sweep"]))


def _runs(pid: int, born: float) -> bool:
    """Whether a process of this host, told from others with its number by when it was born, still runs."""
    try:
        process = psutil.Process(pid)
        return bool(abs(process.create_time() - born) < 1 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
