"""Training as a process: killed, resumed, in several processes."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest
from mlflow import MlflowClient

from bmn.weights import read_weights
from pipeline.project import Project, make_project

pytestmark = pytest.mark.xdist_group("train_stage")


def fresh_project(folder) -> Project:
    project = make_project(folder)
    project.set(train__epochs=3)
    project.run("python", "stages/download.py")
    project.run("python", "stages/convert.py")
    return project


def results(project):
    metrics = json.loads((project.folder / "outputs/train/metrics.json").read_text())
    weights = {name: read_weights(project.folder / f"outputs/train/{name}.pdparams") for name in ("best", "last")}
    return metrics, weights


def runs(project):
    client = MlflowClient(f"sqlite:///{project.folder}/mlruns/mlflow.db")
    return client.search_runs([client.get_experiment_by_name("bmn").experiment_id])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    project = fresh_project(tmp_path_factory.mktemp("train") / "project")
    done = project.run("python", "stages/train.py")
    assert "epoch 3/3 done" in done.stdout
    assert not list((project.folder / ".cache/train").iterdir())  # nothing to resume is left behind
    return results(project)


def start_and_stop(project, how: signal.Signals) -> int:
    """Start the training, let it write a checkpoint or two, and send it a signal."""
    project.set(train__checkpoint_minutes=1e-6)
    process = subprocess.Popen(
        ["python", "stages/train.py"], cwd=project.folder, env=project.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(project.folder.glob(".cache/train/*/00000000[1-9].npz")):
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(how)
    return process.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_training_goes_on_and_ends_as_if_it_had_not_been(tmp_path, uninterrupted, how):
    project = fresh_project(tmp_path / "project")
    assert start_and_stop(project, how) != 0
    assert not (project.folder / "outputs/train").exists()
    if how is signal.SIGTERM:
        assert runs(project)[0].info.status == "FAILED"
    done = project.run("python", "stages/train.py")
    assert "goes on from iteration" in done.stdout

    metrics, weights = results(project)
    expected_metrics, expected_weights = uninterrupted
    assert metrics == expected_metrics
    for which, arrays in expected_weights.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(weights[which][name], array)
    assert [run.info.status for run in runs(project)] == ["FINISHED"]  # one run, the same one


def test_a_checkpoint_of_other_parameters_is_not_resumed(tmp_path):
    project = fresh_project(tmp_path / "project")
    start_and_stop(project, signal.SIGKILL)
    project.set(train__learning_rate=0.002)
    done = project.run("python", "stages/train.py")
    assert "goes on from iteration" not in done.stdout


def test_two_processes_give_the_results_of_one(tmp_path, uninterrupted):
    project = fresh_project(tmp_path / "project")
    project.set(train__devices="cpu:2")
    project.run("python", "stages/train.py")
    metrics, weights = results(project)
    expected_metrics, expected_weights = uninterrupted
    assert metrics == pytest.approx(expected_metrics, rel=1e-4)
    for name, array in expected_weights["last"].items():
        largest = np.abs(array).max()
        np.testing.assert_allclose(weights["last"][name], array, atol=1e-3 * largest)
    assert len(runs(project)) == 1


def test_when_a_process_fails_all_end_and_the_reason_is_shown(tmp_path):
    project = fresh_project(tmp_path / "project")
    project.set(train__devices="cpu:2", train__learning_rate="1.0e+38")
    done = project.run("python", "stages/train.py", check=False)
    assert done.returncode == 1
    assert "the loss is not finite" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: training in 2 processes failed")
    assert [run.info.status for run in runs(project)] == ["FAILED"]
    assert not (project.folder / "outputs/train").exists()
