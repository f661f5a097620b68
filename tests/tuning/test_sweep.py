"""``bmn tune`` as a person has it: real trainings, real MLflow, killed on the way."""

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML
from shell import BMN, wait_for

from bmn.tuning.study import open_storage

pytestmark = pytest.mark.xdist_group("sweep")


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

    def under_way(self) -> int:
        """How many trials have done an epoch or ended."""
        return sum(len(trial.intermediate_values) > 0 or trial.state.is_finished() for trial in self.trials())


@pytest.fixture(scope="module")
def folder(params, processed, tmp_path_factory):
    path = tmp_path_factory.mktemp("search")
    (path / "data").mkdir()
    (path / "data/processed").symlink_to(processed)
    YAML().dump(params.model_dump(), path / "params.yaml")
    return Folder(path)


def test_a_driver_that_is_killed_three_times_loses_and_doubles_nothing(folder):
    for done in (0, 1, 2):
        process = folder.start("run")
        wait_for(lambda: folder.under_way() > done, process)  # noqa: B023
        process.send_signal(signal.SIGKILL)
        process.communicate()
    printed = folder.run("run")

    found = folder.trials()
    assert [trial.number for trial in found] == [0, 1, 2]
    assert {trial.state.name for trial in found} <= {"COMPLETE", "PRUNED"}
    assert found[0].params == {"model.num_sample": 4, "train.learning_rate": 0.001}  # the current ones come first
    assert found[0].user_attrs["proposals"].keys() == {
        "proposals.classification_exponent", "proposals.alpha", "proposals.low_threshold"
    }  # fmt: skip
    assert "AUC, mean" in printed
    assert "needed" in printed or "no candidate is better" in printed

    client = MlflowClient(f"sqlite:///{folder.path}/mlruns/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("bmn").experiment_id])
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert parent.info.status == "FINISHED"
    assert "confirmed/current/mean" in parent.data.metrics
    names = [run.data.tags["optuna.trial"] for run in runs if "optuna.trial" in run.data.tags]
    assert sorted(names) == ["0", "1", "2"]
    assert len(runs) == 1 + 3 + 4  # the sweep, its trials, their confirmation
    status = {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}
    for run in runs:
        trial = run.data.tags.get("optuna.trial")
        assert run.info.status == ("FINISHED" if trial is None else status[found[int(trial)].state.name])

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
    wait_for(lambda: folder.trials("moving"), process)
    data.unlink()
    shutil.copytree(processed, data)
    annotations = json.loads((data / "annotations.json").read_text())
    video = next(video for video in annotations.values() if video["annotations"])
    video["annotations"][0]["segment"][1] -= 0.5
    (data / "annotations.json").write_text(json.dumps(annotations))
    _, err = process.communicate()
    assert process.returncode == 1
    assert "data/processed: is not the data this sweep started with" in err
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
