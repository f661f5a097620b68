"""Training as processes: stopped and killed in many ways, resumed, shared by several processes and hosts."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from functools import partial
from operator import itemgetter

import numpy as np
import paddle
import psutil
import pytest
from mlflow import MlflowClient
from pipeline.project import Project, make_project
from servers import free_port
from shell import PATIENCE, command_line, wait_for

from bmn.model.weights import read_weights
from bmn.recipes.edits import edit

pytestmark = pytest.mark.xdist_group("train_stage")
KILLS = int(os.environ.get("BMN_TEST_KILLS", "1"))  # moments of a kill that are tried; 20 of kill -9 were


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> Project:
    project = make_project(tmp_path_factory.mktemp("train") / "converted")
    project = Project(project.folder, project.environment | {"OMP_NUM_THREADS": "1"})
    # Ninety iterations: a signal comes in the middle of them, however late a busy machine sends it.
    # Two processes have one micro-batch each, so they compute what one process does. Labels have tests of their own.
    project.set(train__epochs=30, train__micro_batch_size=2, classify__enabled=False)
    project.run("python", "stages/inputs.py")
    project.run("python", "stages/download.py")
    project.run("python", "stages/convert.py")
    return project


@pytest.fixture(scope="module")
def uninterrupted(converted):
    done = converted.run("python", "stages/train.py")
    assert "epoch 30/30 done" in done.stdout
    assert not list((converted.folder / ".cache/train").iterdir())  # nothing to resume is left behind
    expected = results(converted)
    shutil.rmtree(converted.folder / "outputs")
    return expected


def copy(project, folder) -> Project:
    """The project with its converted data; its store holds one run, that of ``uninterrupted``."""
    shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns(".git"))
    return project.at(folder)


@pytest.fixture
def project(converted, uninterrupted, tmp_path) -> Project:
    return copy(converted, tmp_path / "project")


def results(project):
    metrics = json.loads((project.folder / "outputs/train/metrics.json").read_text())
    weights = {name: read_weights(project.folder / f"outputs/train/{name}.pdparams") for name in ("best", "last")}
    return metrics, weights


def same(project, expected):
    metrics, weights = results(project)
    assert metrics == expected[0]
    for which, arrays in expected[1].items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(weights[which][name], array)


def runs(project):
    client = MlflowClient(f"sqlite:///{project.folder}/mlruns/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("bmn").experiment_id], order_by=["start_time"])
    return found[1:]


def statuses(project):
    """Of the runs besides that of ``uninterrupted``."""
    return [run.info.status for run in runs(project)]


class Training:
    """A training under way, with a checkpoint after every iteration."""

    def __init__(self, project, *words, **environment):
        project.set(execution__checkpoint_minutes=1e-6)
        self.project = project
        self.job = subprocess.Popen(
            words or ["python", "stages/train.py"], cwd=project.folder, env=project.environment | environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_for_checkpoint(self, number: int = 1) -> None:
        written = partial(self.project.folder.glob, ".cache/train/*/[0-9]*.npz")
        wait_for(lambda: any(int(path.stem) >= number for path in written()), self.job)

    def processes(self) -> list[psutil.Process]:
        """Those that train, by rank."""
        training = []
        for child in psutil.Process(self.job.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                *_, last = words = child.cmdline() or [""]
                if last.endswith("train_process.py") and "paddle.distributed.launch" not in words:
                    training.append((child.environ().get("PADDLE_TRAINER_ID", ""), child))
        return [child for _, child in sorted(training, key=itemgetter(0))]

    def end(self, within: float = PATIENCE) -> tuple[int, str, str]:
        """Its code and what it printed; nothing that it started is left."""
        started = psutil.Process(self.job.pid).children(recursive=True) if self.job.poll() is None else []
        output, errors = self.job.communicate(timeout=within)
        _, left = psutil.wait_procs(started, timeout=PATIENCE)
        assert left == []
        return self.job.returncode, output, errors


@pytest.mark.parametrize("number", range(KILLS))
def test_killed_it_goes_on_bit_for_bit(project, uninterrupted, number):
    """Every other time the newest checkpoint is damaged besides, and the one before is taken."""
    training = Training(project)
    training.wait_for_checkpoint(2)
    time.sleep(random.Random(number).uniform(0, 0.3))
    training.processes()[0].kill()
    code, _, errors = training.end()
    assert code == 1
    assert errors.splitlines()[-1].startswith("error: the training was killed by SIGKILL (possibly out of memory)")
    assert statuses(project) == ["FAILED"]
    if number % 2 == 0:
        *_, newest = sorted(project.folder.glob(".cache/train/*/*.npz"))
        newest.write_bytes(newest.read_bytes()[:1000])
    again = project.run("python", "stages/train.py").stdout
    assert "resuming from iteration" in again
    assert ("is damaged" in again) == (number % 2 == 0)
    same(project, uninterrupted)
    assert statuses(project) == ["FINISHED"]  # one run, the same one


@pytest.mark.parametrize(("devices", "how"), [("cpu", signal.SIGINT), ("cpu:2", signal.SIGTERM)])
def test_a_signal_stops_it_with_a_checkpoint(project, uninterrupted, devices, how):
    project.set(execution__devices=devices)
    training = Training(project)
    training.wait_for_checkpoint()
    training.job.send_signal(how)
    code, _, errors = training.end()
    assert code == 1
    assert "the training was stopped after iteration" in errors
    assert "Traceback" not in errors
    assert statuses(project) == ["KILLED"]
    assert not (project.folder / "outputs/train").exists()

    project.set(execution__devices="cpu")
    assert "resuming from iteration" in project.run("python", "stages/train.py").stdout
    same(project, uninterrupted)
    assert statuses(project) == ["FINISHED"]


def test_a_parameter_that_changes_meanwhile_is_not_recorded_for_the_old_result(project):
    """DVC reads params.yaml again at the end; with the old value back, nothing is trained again."""
    project.set(train__epochs=20)
    training = Training(project)
    training.wait_for_checkpoint()
    edit(project.folder / "params.yaml", {"train.learning_rate": 0.5, "proposals.alpha": 0.5})
    code, _, errors = training.end()
    assert code == 1
    assert "params.yaml: train.learning_rate was 0.001 when this stage began and is 0.5 now" in errors
    assert statuses(project) == ["FINISHED"]
    edit(project.folder / "params.yaml", {"train.learning_rate": 0.001})
    assert "resuming from iteration 60" in project.run("python", "stages/train.py").stdout
    assert statuses(project) == ["FINISHED"]  # one run, the same one


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_ends_all_and_is_named(project, rank):
    project.set(execution__devices="cpu:2", train__epochs=200)
    training = Training(project)
    training.wait_for_checkpoint()
    training.processes()[rank].kill()
    code, _, errors = training.end()
    assert code == 1
    assert errors.splitlines()[-2:] == [
        f"process {rank} was killed by SIGKILL (possibly out of memory)",
        "error: training in 2 processes failed; their logs are in .cache/logs",
    ]
    assert statuses(project) == ["FAILED"]


def test_what_a_process_says_of_its_own_error_comes_first(project):
    project.set(execution__devices="cpu:2", train__learning_rate="1.0e+38")
    code, output, errors = Training(project).end()
    assert code == 1
    assert "the loss is not finite" in errors
    assert "on the videos training_" in errors
    assert errors.splitlines()[-1].startswith("error: training in 2 processes failed")
    assert "Traceback" not in output + errors
    assert statuses(project) == ["FAILED"]
    assert not (project.folder / "outputs/train").exists()


def test_a_nan_among_the_features_stops_it_with_its_video_named(project):
    """No conversion lets one through; it is written into the packed features afterwards."""
    array = np.load(project.folder / "data/processed/training.npy", mmap_mode="r+")
    array[:, 0] = np.nan
    array.flush()
    done = project.run("python", "stages/train.py", check=False)
    assert done.returncode == 1
    [sentence] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert re.search(r"training\.npy: is damaged at video training_\d+ \(NaN\)", sentence)
    assert statuses(project) == ["FAILED"]


def test_when_the_parent_is_killed_nothing_lives_on(project):
    project.set(execution__devices="cpu:2", train__epochs=200)
    training = Training(project)
    training.wait_for_checkpoint()
    family = psutil.Process(training.job.pid).children(recursive=True)
    training.job.kill()
    _, left = psutil.wait_procs(family, timeout=PATIENCE)
    assert left == []


@pytest.mark.parametrize(("victim", "devices"), [("dvc", "cpu:2"), ("make", "cpu"), ("sh", "cpu:2")])
def test_killed_alone_make_or_dvc_takes_the_training_along(project, uninterrupted, victim, devices):
    project.run("git", "init", "--quiet")
    project.run("dvc", "repro", "--quiet", "convert")
    project.set(execution__devices=devices)
    training = Training(project, "make", "repro", SHELL="/bin/sh")  # dash stays between, bash does not
    training.wait_for_checkpoint()
    family = [psutil.Process(training.job.pid), *psutil.Process(training.job.pid).children(recursive=True)]
    named = {"make": "make repro", "dvc": "dvc repro", "sh": "-c python stages/train.py"}[victim]
    next(process for process in family if " ".join(command_line(process)).endswith(named)).kill()
    training.job.communicate(timeout=PATIENCE)
    _, left = psutil.wait_procs(family, timeout=PATIENCE)
    assert left == []

    project.run("dvc", "repro", "train")
    same(project, uninterrupted)
    assert statuses(project) == ["FINISHED"]


def test_a_second_training_waits_for_one_that_ends_and_else_says_who_is_there(project, uninterrupted):
    project.set(train__epochs=2000)
    first = Training(project)
    first.wait_for_checkpoint()
    [trains] = first.processes()
    second = project.run("python", "stages/train.py", check=False)
    assert second.returncode == 1
    assert f"process {trains.pid} on {socket.gethostname()} is running this training" in second.stderr
    assert "Traceback" not in second.stderr
    third = Training(project)
    first.job.terminate()
    assert "the training was stopped after iteration" in first.end()[2]
    assert any(line.startswith("resuming from iteration") for line in iter(third.job.stdout.readline, ""))
    third.job.terminate()
    errors = third.end()[2]
    assert "the training was stopped after iteration" in errors
    assert statuses(project) == ["KILLED"]


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
@pytest.mark.parametrize("attempt", range(KILLS))
def test_signals_again_and_again_change_nothing(project, devices, attempt):
    """Launchers and schedulers repeat a SIGTERM; it came to tracebacks where the interpreter was ending."""
    project.set(execution__devices=devices, train__epochs=200)
    training = Training(project)
    training.wait_for_checkpoint()
    asked = [psutil.Process(training.job.pid), *training.processes()]
    while training.job.poll() is None:
        for process in asked:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        time.sleep(0.005)
    code, output, errors = training.end()
    assert code == 1
    assert "the training was stopped after iteration" in errors
    logs = [log.read_text() for log in (project.folder / ".cache/logs").glob("workerlog.*")]
    assert not [text for text in [output, errors, *logs] if "Traceback" in text or "Exception ignored" in text]
    assert statuses(project) == ["KILLED"]


def test_two_processes_give_the_results_of_one(project, uninterrupted):
    project.set(execution__devices="cpu:2")
    project.run("python", "stages/train.py")
    same(project, uninterrupted)
    assert len(runs(project)) == 1


def test_two_hosts_give_the_results_of_one(project, uninterrupted, tmp_path):
    """Two launchers on loopback, each in a project folder of its own; the second has no MLflow run, no outputs."""
    second = copy(project, tmp_path / "second")
    hosts = {"PADDLE_MASTER": f"127.0.0.1:{free_port()}", "PADDLE_NNODES": "2"}
    jobs = [Training(project, **hosts, PADDLE_RANK="0"), Training(second, **hosts, PADDLE_RANK="1")]
    for job in jobs:
        code, _, errors = job.end()
        assert code == 0, errors
    same(project, uninterrupted)
    assert not (second.folder / "outputs").exists()
    assert runs(second) == []


def test_it_starts_from_the_weights_that_it_is_given(project, uninterrupted):
    """PaddleVideo's file, whose names have a prefix; with a learning rate of next to nothing they stay."""
    given = uninterrupted[1]["best"]
    theirs = {f"backbone.{name}": paddle.to_tensor(array) for name, array in given.items()}
    paddle.save(theirs, str(project.folder / "BMN.pdparams"))
    project.set(train__init_from="BMN.pdparams", train__learning_rate=1e-30, train__epochs=1)
    project.run("python", "stages/train.py")
    for name, array in results(project)[1]["last"].items():
        np.testing.assert_allclose(array, given[name], atol=1e-6)
