"""``bmn tune`` as a person has it: real trainings, real MLflow, killed on the way."""

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML
from shell import BMN

from bmn.tuning.plan import counted
from bmn.tuning.study import open_storage

pytestmark = pytest.mark.xdist_group("search")


@dataclass(frozen=True)
class Folder:
    path: Path

    def start(self, *words: str) -> "subprocess.Popen[str]":
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DVC_"))}
        return subprocess.Popen(
            [BMN, "tune", *words], cwd=self.path, env=kept, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str) -> str:
        process = self.start(*words)
        out, err = process.communicate()
        assert process.returncode == 0, err
        return out

    def trials(self, study: str = "bmn") -> "list[optuna.trial.FrozenTrial]":
        storage = open_storage(None, self.path / ".cache/tune")
        names = [found.study_name for found in storage.get_all_studies()]
        return optuna.load_study(study_name=study, storage=storage).trials if study in names else []


@pytest.fixture(scope="module")
def folder(params, processed, tmp_path_factory):
    path = tmp_path_factory.mktemp("search")
    (path / "data").mkdir()
    (path / "data/processed").symlink_to(processed)
    YAML().dump(params.model_dump(), path / "params.yaml")
    return Folder(path)


def test_a_sweep_that_is_killed_ends_right(folder):
    process = folder.start("run")
    while sum("run" in trial.user_attrs for trial in folder.trials()) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    told = folder.run("run")

    found = counted(folder.trials())
    assert sorted(found) == ["0", "1", "2"]
    assert {trial.state.name for trial in found.values()} <= {"COMPLETE", "PRUNED"}
    assert found["0"].params == {"model.num_sample": 4, "train.learning_rate": 0.001}  # the present ones come first
    assert found["0"].user_attrs["proposals"].keys() == {
        "proposals.classification_exponent", "proposals.alpha", "proposals.low_threshold"
    }  # fmt: skip
    again = folder.trials("bmn confirmation")
    assert [trial.state.name for trial in again] == ["COMPLETE"] * 4
    assert "AUC, mean" in told
    assert "best: trial" in told or "no candidate is better" in told

    client = MlflowClient(f"sqlite:///{folder.path}/mlruns/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("bmn").experiment_id])
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert parent.info.status == "FINISHED"
    assert "confirmed/present/mean" in parent.data.metrics
    ends = {trial.user_attrs["run"]: trial for trial in folder.trials() + again if "run" in trial.user_attrs}
    status = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
    for run in runs:
        if run is not parent:
            assert run.info.status == status[ends[run.info.run_id].state.name]

    assert folder.run("status").startswith("bmn: ")


def test_nothing_begins_on_bad_input(folder):
    params = folder.path / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("model.num_sample:", "model.num_samples:"))
    process = folder.start("run")
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith("error: params.yaml: tune.space: model.num_samples is unknown")
    params.write_text(before)


def test_data_that_change_midway_end_the_sweep(folder, processed):
    """The trials before and after would be compared on different data."""
    data = folder.path / "data/processed"
    process = folder.start("run", "--study", "moving", "--trials", "40")
    while not folder.trials("moving"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    data.unlink()
    shutil.copytree(processed, data)
    annotations = json.loads((data / "annotations.json").read_text())
    video = next(video for video in annotations.values() if video["annotations"])
    video["annotations"][0]["segment"][1] -= 0.5
    (data / "annotations.json").write_text(json.dumps(annotations))
    _, err = process.communicate()
    assert process.returncode == 1
    assert "data/processed: is not the data that this sweep began with" in err
    compared = [trial.number for trial in folder.trials("moving") if trial.state.name in ("COMPLETE", "PRUNED")]
    assert len(compared) < 3

    again = folder.start("run", "--study", "moving", "--trials", "40")
    _, err = again.communicate()
    assert again.returncode == 1
    assert err.splitlines()[-1].startswith("error: ")
    assert "moving" in err.splitlines()[-1]
    after = [trial.number for trial in folder.trials("moving") if trial.state.name in ("COMPLETE", "PRUNED")]
    assert after == compared
    shutil.rmtree(data)
    data.symlink_to(processed)
