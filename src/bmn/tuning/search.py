"""The whole of a sweep: search, confirm, say what came of it, all of it filed in MLflow. What was stopped goes on."""

import time
from datetime import datetime
from pathlib import Path

from optuna import Study
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from bmn.base.params import Params
from bmn.tracking import trials
from bmn.tuning.confirmation import as_json, candidates, confirmation_plan, confirmed, verdict
from bmn.tuning.ledger import MlflowLedger, file_figures, parent_run
from bmn.tuning.plan import Plan, Shared, Slot
from bmn.tuning.space import check_space, digest, with_values
from bmn.tuning.study import open_storage, open_study
from bmn.tuning.sweep import gpus, keep_working, worker_starter
from bmn.tuning.training_process import digest_of_data
from bmn.tuning.worker import Sweep


def run(params: Params, timeout: float | None, workers: int | None, data: Path) -> None:
    """Search for better parameters, or go on with a search.

    Args:
        timeout: seconds after which no trial begins.
        workers: processes at work; one a GPU, or one, where not given.
        data: folder of the converted data.

    Raises:
        BmnError: the search space, the data, the storage or the study does not allow it, or no trial succeeds.
    """
    check_space(params)
    data_digest = digest_of_data(data)
    storage = open_storage(params.tune.storage)
    study = open_study(storage, params.tune.study, params.tune, digest(params, data_digest))
    if "present" not in study.user_attrs:
        study.set_user_attr("present", check_space(params).defaults)
    # Where tune-apply has written since, the sweep still is about the parameters that it began from.
    params = with_values(params, study.user_attrs["present"], "params.yaml")
    shift = Shift(params, storage, parent_run(study, params), timeout, workers, data, data_digest)
    status = "FAILED"
    try:
        status = "FINISHED" if _search_and_confirm(shift, study) else "KILLED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        trials.end(shift.run, status)


def _search_and_confirm(shift: "Shift", study: Study) -> bool:
    """Whether all was done before the time was up."""
    params, space = shift.params, check_space(shift.params)
    first = {key: space.defaults[key] for key in space.trained}
    plan = {str(slot): Slot(first if slot == 0 else {}) for slot in range(params.tune.trials)}
    shared = Shared(study, shift.storage)
    try:
        done = shift.work(shared, plan)
    finally:
        file_figures(shift.run, study)
    if not done:
        print("the time is up; the same command goes on")
        return False

    found = candidates(shared, space.defaults, params.tune.confirm.top)
    if len(found) == 1:
        print("no trial that differs from the present parameters came to its end; more TRIALS may help")
        return True
    again = confirmation_plan(found, params)
    name = f"{study.study_name} confirmation"
    print(f"{len(again)} trainings confirm {', '.join(found)}: study {name!r}", flush=True)
    shared_by = digest(params, shift.data_digest)
    confirmation = Shared(open_study(shift.storage, name, params.tune, shared_by), shift.storage)
    done = shift.work(confirmation, again)
    results = confirmed(confirmation, found, again)
    study.set_user_attr("confirmed", as_json(results))
    print(verdict(results))
    file_figures(shift.run, study)
    for one in results:
        trials.file_metrics(
            shift.run, {f"confirmed/{one.name}/mean": one.mean, f"confirmed/{one.name}/spread": one.spread}
        )
    return done


class Shift:
    """One start of a sweep on this host: its workers, its end, its record."""

    def __init__(
        self,
        params: Params,
        storage: BaseStorage,
        run: str,
        timeout: float | None,
        workers: int | None,
        data: Path,
        data_digest: str,
    ) -> None:
        self.params, self.storage, self.run, self.data, self.data_digest = params, storage, run, data, data_digest
        self.ledger = MlflowLedger(params.tracking.experiment, run, params.tune.study)
        self.workers = workers or max(1, len(gpus(params.train.devices)))
        self.since = datetime.now()
        self.deadline = time.time() + timeout if timeout is not None else float("inf")

    def work(self, shared: Shared, plan: Plan) -> bool:
        """Have the trials of a plan run; see :func:`keep_working`."""
        sweep = Sweep(shared, plan, self.params, check_space(self.params), self.deadline, self.since)
        try:
            starter = worker_starter(sweep, self.data_digest, self.run, self.data, self.workers)
            return keep_working(sweep, self.workers, starter, self._lost)
        finally:
            self.ledger.settle(shared.trials())

    def _lost(self, trial: FrozenTrial) -> None:
        if "run" in trial.user_attrs:
            self.ledger.end(trial.user_attrs["run"], TrialState.FAIL, {}, {"lost": "died"})
