"""Sweeps in a folder, and what they leave in Optuna and MLflow."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from tuning.cheap import ENTRY, ROOT, TESTS

from bmn.base.files import write_json
from bmn.base.schema import Params
from bmn.tracking.store import connect
from bmn.tuning.driver import tune
from bmn.tuning.study import open_storage

STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}


@dataclass(frozen=True)
class Project:
    """A folder with sweeps of cheap trainings."""

    path: Path
    data: Path

    def tune(self, params: Params, timeout: float | None = None) -> "optuna.Study":
        tune(params, timeout, self.data, ENTRY)
        return self.study(params)

    def study(self, params: Params) -> "optuna.Study":
        storage = open_storage(params.tune.storage, self.path / ".cache/tune")
        return optuna.load_study(study_name=params.tune.study, storage=storage)

    def trials(self, params: Params) -> "list[optuna.trial.FrozenTrial]":
        try:
            return self.study(params).trials
        except KeyError:
            return []

    def finished(self, params: Params) -> int:
        return sum(trial.state.is_finished() for trial in self.trials(params))

    def calls(self) -> int:
        """How many jobs have begun."""
        path = self.path / "calls"
        return path.stat().st_size if path.exists() else 0

    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.path}/mlruns/mlflow.db")

    def runs(self):
        """The runs of sweeps, and those of trials by number."""
        found = self.client().search_runs(["1"])
        parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
        trials = [run for run in found if "optuna.trial" in run.data.tags]
        numbered = {int(run.data.tags["optuna.trial"]): run for run in trials}
        assert len(numbered) == len(trials)
        return parents, numbered

    def check(self, params: Params) -> None:
        """Every trial is there once and has ended, in the study and in MLflow, and no epoch was filed twice."""
        trials = self.trials(params)
        assert [trial.number for trial in trials] == list(range(params.tune.trials))
        assert all(trial.state.is_finished() for trial in trials)
        [parent], runs = self.runs()
        assert parent.info.status == "FINISHED"
        assert {number: run.info.status for number, run in runs.items()} == {
            trial.number: STATUS[trial.state.name] for trial in trials
        }
        for run in runs.values():
            steps = [point.step for point in self.client().get_metric_history(run.info.run_id, "val/AUC")]
            assert sorted(steps) == list(range(1, len(steps) + 1))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an MLflow store in it, which takes seconds to make; one that is copied follows."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        connect("bmn")
    return folder


@pytest.fixture
def project(tmp_path: Path, processed: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copytree(empty_store, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{TESTS}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Project(tmp_path, processed)


def options(project: Project, **words: float) -> None:
    """Say how jobs behave, as ``cheap.py`` has it."""
    write_json(project.path / "options.json", {key.replace("_", " "): word for key, word in words.items()})
