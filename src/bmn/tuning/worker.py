"""A worker of a sweep: takes one trial after the other until none is left.

``python -m bmn.tuning.worker`` is started by the sweep, which writes the job, a line of JSON, to its standard input.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from bmn.base.errors import BmnError
from bmn.base.params import Params, validate_params
from bmn.launch.command import command
from bmn.tuning.plan import BEAT, Plan, Shared, Slot, claim, counted, put_back
from bmn.tuning.space import Space, check_space, digest, suggest, with_values
from bmn.tuning.study import FOLDER, open_storage, open_study, rungs, sampler
from bmn.tuning.training_process import DataChangedError, History, Outcome, TrainingProcess, TrialFailed, make_job

HOPELESS = 3  # trials that fail while none succeeds: the sweep stops


class Training(Protocol):
    """A training that goes as far as it is told; see :class:`TrainingProcess`."""

    def to(self, epochs: int) -> History: ...

    def finish(self) -> tuple[History, Outcome]: ...


class Ledger(Protocol):
    """Who keeps a record of trials."""

    def begin(self, number: int, values: dict[str, Any], params: Params) -> str:
        """A trial begins; gives the name of its record."""

    def log(self, run: str, history: History) -> None:
        """What it has come to."""

    def end(self, run: str, state: TrialState, figures: dict[str, float], notes: dict[str, Any]) -> None:
        """It ended."""


Start = Callable[[Params, bool, Callable[[], None]], AbstractContextManager[Training]]
"""Prepares the training with some parameters: with an inner search or not, and with what is to be called meanwhile."""


@dataclass(frozen=True)
class Sweep:
    """What the workers of a sweep have in common.

    Attributes:
        deadline: seconds since 1970 after which no trial begins.
        since: failures before this moment do not make the sweep hopeless.
    """

    shared: Shared
    plan: Plan
    params: Params
    space: Space
    deadline: float
    since: datetime


def work(sweep: Sweep, start: Start, ledger: Ledger) -> None:
    """Take trials and run them until none is left, the time is up or the sweep is hopeless."""
    try:
        while time.time() < sweep.deadline and not first_errors(sweep):
            trial = claim(sweep.shared, sweep.plan)
            if trial is None:
                return
            try:
                _run(sweep, trial, start, ledger)
            except DataChangedError:
                put_back(sweep.shared)
                raise
            except UpdateFinishedTrialError:
                print(f"trial {trial.number} was given up: its worker was not heard of for too long", flush=True)
    except (SystemExit, KeyboardInterrupt):
        put_back(sweep.shared)
        raise


def first_errors(sweep: Sweep) -> list[str]:
    """Why the sweep is hopeless: the errors of its trials, when several failed and none did not; else nothing."""
    found = counted(sweep.shared.trials())
    ended = [found[slot] for slot in sweep.plan if slot in found and found[slot].state.is_finished()]
    if any(trial.state != TrialState.FAIL for trial in ended):
        return []
    errors = [
        str(trial.user_attrs["error"])
        for trial in sorted(ended, key=lambda trial: trial.number)
        if trial.datetime_complete and trial.datetime_complete >= sweep.since and "error" in trial.user_attrs
    ]
    return errors if len(errors) >= min(HOPELESS, len(sweep.plan)) else []


def _run(sweep: Sweep, trial: optuna.Trial, start: Start, ledger: Ledger) -> None:
    study, tune = sweep.shared.study, sweep.params.tune
    study.sampler = sampler(tune, trial.number)
    run = None
    state, figures, notes = TrialState.FAIL, dict[str, float](), dict[str, Any]()
    beaten = time.monotonic()

    def beat() -> None:
        nonlocal beaten
        if time.monotonic() - beaten > BEAT:
            trial.set_user_attr("alive", time.time())
            beaten = time.monotonic()

    try:
        given = trial.user_attrs.get("values")
        values = given or suggest(trial, sweep.space.trained)
        params = with_values(sweep.params, values, f"trial {trial.number}")
        run = ledger.begin(trial.number, values, params)
        trial.set_user_attr("run", run)
        with start(params, given is None, beat) as training:
            compared = given is None and not tune.cost
            outcome = _train(trial, training, rungs(tune, params.train.epochs), compared, partial(ledger.log, run))
        if outcome is None:
            state = TrialState.PRUNED
        else:
            state, figures, notes = TrialState.COMPLETE, outcome.figures, outcome.proposals
    except DataChangedError:
        if run is not None:
            ledger.end(run, TrialState.FAIL, {}, {"lost": "stopped"})
        raise
    except (TrialFailed, BmnError) as error:
        notes = {"error": str(error)}
    except (SystemExit, KeyboardInterrupt):
        if run is not None:
            ledger.end(run, TrialState.FAIL, {}, {"lost": "stopped"})
        raise
    for name, value in ({"figures": figures, "proposals": notes} if figures else notes).items():
        trial.set_user_attr(name, value)
    objectives = [figures["AUC"], figures["milliseconds a video"]][: len(study.directions)] if figures else None
    study.tell(trial, objectives, state)
    if run is not None:
        ledger.end(run, state, figures, notes)


def _train(
    trial: optuna.Trial, training: Training, steps: list[int], compared: bool, log: Callable[[History], None]
) -> Outcome | None:
    """Train rung by rung and evaluate; None when the trial is compared with others and not among the best."""
    for epochs in steps[:-1]:
        history = training.to(epochs)
        log(history)
        if len(history) < epochs:
            break  # it stops early by itself
        if compared and "val/AUC" in history[-1]:
            trial.report(history[-1]["val/AUC"], epochs)
            if trial.should_prune():
                return None
    history, outcome = training.finish()
    log(history)
    return outcome


@command
def main() -> None:
    """Work on a sweep."""
    from bmn.tuning.ledger import MlflowLedger  # here, because it takes seconds to import

    job = json.loads(sys.stdin.readline())
    params = validate_params(job["params"], "the worker")
    storage = open_storage(params.tune.storage)
    study = open_study(storage, job["study"], params.tune, digest(params, job["data_digest"]))
    plan = {name: Slot(**slot) for name, slot in job["plan"].items()}
    space = check_space(params)
    sweep = Sweep(Shared(study, storage), plan, params, space, job["deadline"], datetime.fromisoformat(job["since"]))

    def start(trial: Params, searching: bool, beat: Callable[[], None]) -> AbstractContextManager[Training]:
        searched = space.searched if searching else {}
        made = make_job(trial, searched, Path(job["data"]), job["data_digest"], FOLDER / "trainings")
        return TrainingProcess(made, beat)

    work(sweep, start, MlflowLedger(params.tracking.experiment, job["run"], job["study"]))


if __name__ == "__main__":
    main()
