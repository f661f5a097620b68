"""Sweeps in MLflow: a parent run a study, a child run a trial, with the trial's true end; figures on the parent."""

import json
import time
from typing import Any

import optuna
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from optuna.trial import FrozenTrial, TrialState

from bmn import tracking
from bmn.base.params import Params, flatten
from bmn.tuning.drawing import page, pictures
from bmn.tuning.training_process import History

STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}


class MlflowLedger:
    """The child runs of a study's trials.

    Args:
        experiment: that they are filed under.
        parent: their parent's run id.
        study: its name.
    """

    def __init__(self, experiment: str, parent: str, study: str) -> None:
        tracking.connect(experiment)
        self.study = study
        self.client = MlflowClient()
        self.parent = self.client.get_run(parent)
        self._logged: dict[str, int] = {}

    def begin(self, number: int, values: dict[str, Any], params: Params) -> str:
        """Start the run of a trial; gives its id."""
        named = " ".join(f"{key.rpartition('.')[2]}={_short(value)}" for key, value in values.items())
        tags = {"mlflow.parentRunId": self.parent.info.run_id, "optuna.study": self.study, "optuna.trial": str(number)}
        run = self.client.create_run(
            self.parent.info.experiment_id, run_name=f"{self.study} {number}: {named}"[:250], tags=tags
        )
        everything = flatten(params.model_dump(include={"data", "model", "train", "proposals"}))
        self.client.log_batch(run.info.run_id, params=[Param(key, str(value)) for key, value in everything])
        return str(run.info.run_id)

    def log(self, run: str, history: History) -> None:
        """File the epochs that are not filed yet."""
        now = int(1000 * time.time())
        new = [
            Metric(name.replace("@", "_"), value, now, int(row["epoch"]))
            for row in history[self._logged.get(run, 0) :]
            for name, value in row.items()
            if "/" in name
        ]
        self._logged[run] = len(history)
        self.client.log_batch(run, metrics=new)

    def end(self, run: str, state: TrialState, figures: dict[str, float], notes: dict[str, Any]) -> None:
        """End the run of a trial with its figures, and what there is to know besides as tags."""
        self.note(run, {f"tune/{name}": value for name, value in figures.items()})
        tags = [RunTag(name, str(value)[:5000]) for name, value in {"optuna.state": state.name, **notes}.items()]
        self.client.log_batch(run, tags=tags)
        self.client.set_terminated(run, STATUS[state])

    def note(self, run: str, figures: dict[str, float]) -> None:
        """File figures under a run."""
        now = int(1000 * time.time())
        self.client.log_batch(run, metrics=[Metric(name, value, now, 0) for name, value in figures.items()])

    def settle(self, trials: list[FrozenTrial]) -> None:
        """End the runs of trials whose worker died after the trial's end and before its run's."""
        ended = {trial.user_attrs["run"]: trial for trial in trials if "run" in trial.user_attrs}
        open_runs = self.client.search_runs(
            [self.parent.info.experiment_id],
            f"tags.`mlflow.parentRunId` = '{self.parent.info.run_id}' and attributes.status = 'RUNNING'",
        )
        for run in open_runs:
            trial = ended.get(run.info.run_id)
            if trial is not None and trial.state.is_finished():
                self.end(run.info.run_id, trial.state, trial.user_attrs.get("figures", {}), {})


def parent_run(study: optuna.Study, params: Params) -> str:
    """The run of a study, started at the first use; its id is kept with the study."""
    tracking.connect(params.tracking.experiment)
    client = MlflowClient()
    known = study.user_attrs.get("run")
    if known is not None and study.user_attrs["store"] == tracking.store_uri():
        client.update_run(known, status="RUNNING")
        return str(known)
    experiment = client.get_experiment_by_name(params.tracking.experiment)
    space = {key: json.dumps(dimension.model_dump()) for key, dimension in params.tune.space.items()}
    run = client.create_run(
        experiment.experiment_id,
        run_name=f"sweep {study.study_name}",
        tags={"optuna.study": study.study_name, **tracking.origin()},
    )
    client.log_batch(run.info.run_id, params=[Param(key, value) for key, value in space.items()])
    study.set_user_attr("run", run.info.run_id)
    study.set_user_attr("store", tracking.store_uri())
    return str(run.info.run_id)


def end_parent(run: str, status: str) -> None:
    """End the run of a study: FINISHED, KILLED or FAILED."""
    MlflowClient().set_terminated(run, status)


def file_figures(run: str, study: optuna.Study) -> None:
    """File the figures of a study under its run: pictures, and one page that needs no network."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return
    client = MlflowClient()
    for name, figure in pictures(study).items():
        client.log_figure(run, figure, f"figures/{name}.png", save_kwargs={"bbox_inches": "tight", "dpi": 110})
        figure.clear()
    client.log_text(run, page(study), "figures/sweep.html")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
