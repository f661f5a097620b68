"""What a sweep leaves in MLflow: a run a study, with figures, and below it one a trial, with the trial's true end."""

import json
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from bmn import tracking
from bmn.base.params import Params, flatten
from bmn.tracking import trials
from bmn.tuning.drawing import page, pictures
from bmn.tuning.training_process import History

STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}


class MlflowLedger:
    """The runs of a study's trials.

    Args:
        experiment: that they are filed under.
        parent: the id of the study's run.
        study: its name.
    """

    def __init__(self, experiment: str, parent: str, study: str) -> None:
        tracking.connect(experiment)
        self.parent, self.study = parent, study
        self._logged: dict[str, int] = {}

    def begin(self, number: int, values: dict[str, Any], params: Params) -> str:
        """Start the run of a trial; gives its id."""
        named = " ".join(f"{key.rpartition('.')[2]}={_short(value)}" for key, value in values.items())
        tags = {"optuna.study": self.study, "optuna.trial": str(number)}
        everything = dict(flatten(params.model_dump(include={"data", "model", "train", "proposals"})))
        return trials.begin_trial(self.parent, f"{self.study} {number}: {named}", tags, everything)

    def log(self, run: str, history: History) -> None:
        """File the epochs that are not filed yet."""
        for row in history[self._logged.get(run, 0) :]:
            trials.file_metrics(run, {name: value for name, value in row.items() if "/" in name}, int(row["epoch"]))
        self._logged[run] = len(history)

    def end(self, run: str, state: TrialState, figures: dict[str, float], notes: dict[str, Any]) -> None:
        """End the run of a trial with its figures, and what there is to know besides as tags."""
        trials.file_metrics(run, {f"tune/{name}": value for name, value in figures.items()})
        trials.end(run, STATUS[state], {"optuna.state": state.name, **notes})

    def settle(self, ended: list[FrozenTrial]) -> None:
        """End the runs of trials whose worker died after the trial's end and before its run's."""
        of_run = {trial.user_attrs["run"]: trial for trial in ended if "run" in trial.user_attrs}
        for run in trials.running_trials(self.parent):
            trial = of_run.get(run)
            if trial is not None and trial.state.is_finished():
                self.end(run, trial.state, trial.user_attrs.get("figures", {}), {})


def parent_run(study: optuna.Study, params: Params) -> str:
    """The run of a study, started at the first use; its id is kept with the study."""
    known = study.user_attrs.get("run")
    if known is not None and study.user_attrs["store"] == tracking.store_uri():
        tracking.connect(params.tracking.experiment)
        trials.go_on(known)
        return str(known)
    space = {key: json.dumps(dimension.model_dump()) for key, dimension in params.tune.space.items()}
    tags = {"optuna.study": study.study_name}
    run = trials.begin_sweep(params.tracking.experiment, f"sweep {study.study_name}", tags, space)
    study.set_user_attr("run", run)
    study.set_user_attr("store", tracking.store_uri())
    return run


def file_figures(run: str, study: optuna.Study) -> None:
    """File the figures of a study under its run: pictures, and one page that needs no network."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return
    drawn = pictures(study)
    trials.file_drawings(run, drawn, {"sweep": page(study)})
    for figure in drawn.values():
        figure.clear()


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
