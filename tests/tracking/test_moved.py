"""A project that was copied or moved, under all sorts of names, keeps its runs, files and models."""

import ctypes
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.tracking._tracking_service import utils
from tracking.subsets import validation
from tracking.trainings import trained

from bmn import tracking
from bmn.tracking import compare
from bmn.tracking.models import champion_of, evaluated_settings
from bmn.tracking.moved import follow_project

pytestmark = [pytest.mark.xdist_group("tracking"), pytest.mark.usefixtures("project")]
SRC = Path(__file__).parents[2] / "src"
NAMES = [("plain", "plain 2"), ("a b%20c", "ünï#1 100%?"), ("日本", 'it\'s "so"')]


@pytest.fixture
def there(tmp_path, monkeypatch, request):
    """A project with a training, its files and a champion."""
    folder = tmp_path / request.param[0]
    folder.mkdir()
    monkeypatch.chdir(folder)
    trained(Path("1.json"), 60)
    run_id = trained(Path("2.json"), 70)
    client = MlflowClient()
    client.log_text(run_id, "report of the original", "report/report.html")
    model = champion_of(validation().digest)
    (folder / "weights.txt").write_text("weights")
    client.log_model_artifact(model.source.rpartition("/")[2], "weights.txt")
    return folder, run_id


def move(there, name, monkeypatch, keep):
    here = there.with_name(name)
    (shutil.copytree if keep else shutil.move)(there, here)
    utils._artifact_repos_cache.clear()  # of this process: the next command is another one
    monkeypatch.chdir(here)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    return here


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")} if folder.exists() else {}


@pytest.mark.parametrize(("there", "keep"), [(NAMES[0], True), (NAMES[1], False), (NAMES[2], True)], indirect=["there"])
def test_everything_works_in_a_copy_of_a_project(there, keep, request, monkeypatch, capfd):
    origin, run_id = there
    here = move(origin, request.node.callspec.params["there"][1], monkeypatch, keep)
    before = contents(origin)
    capfd.readouterr()
    experiment = tracking.connect("bmn")
    [sentence] = capfd.readouterr().err.splitlines()
    assert sentence.startswith(f"{here}/mlruns/mlflow.db: was created in {origin}; updated ")
    assert sentence.endswith(f" paths in it to {here}")
    tracking.connect("bmn")
    assert capfd.readouterr().err == ""

    client = MlflowClient()
    assert client.list_artifacts(run_id, "report")[0].path == "report/report.html"
    assert "report of the original" in mlflow.artifacts.load_text(
        f"{client.get_run(run_id).info.artifact_uri}/report/report.html"
    )
    model = champion_of(validation().digest)
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/bmn/{model.version}"))
    assert (folder / "weights.txt").read_text() == "weights"
    assert folder.is_relative_to(here)
    [source] = [entry.dataset.source for entry in client.get_run(run_id).inputs.dataset_inputs]
    assert source == f'{{"uri": "{(here / "data/processed/validation.npy").as_uri()}"}}'
    assert sum(len(group.runs) for group in compare.grouped(compare.choose([], "bmn"))) == 2
    assert trained(Path("2.json"), 70) == run_id  # resumes
    client.log_text(trained(Path("3.json"), 80), "of the copy", "report/report.html")
    assert len(list(here.glob("mlruns/bmn/*/artifacts/report/report.html"))) == 2
    with sqlite3.connect(here / "mlruns/mlflow.db") as store:
        dump = "\n".join(store.iterdump())
    assert origin.as_uri() + "/" not in dump
    assert str(origin) + "/" not in dump
    assert client.get_experiment(experiment).artifact_location == (here / "mlruns/bmn").as_uri()
    assert contents(origin) == before
    assert origin.exists() == keep


@pytest.mark.parametrize("there", [NAMES[1]], indirect=True)
def test_only_one_of_several_processes_updates_the_paths(there, monkeypatch):
    here = move(there[0], "here", monkeypatch, keep=True)
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", "from bmn import tracking; tracking.connect('bmn')"], cwd=here,
            env=os.environ | {"PYTHONPATH": str(SRC)}, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    errors = [job.communicate()[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], errors
    assert sum("was created in" in text for text in errors) == 1


@pytest.mark.parametrize("there", [NAMES[0]], indirect=True)
def test_a_store_in_the_environment_is_left_alone(there, monkeypatch, capfd):
    move(there[0], "here", monkeypatch, keep=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{there[0]}/mlruns/mlflow.db")
    capfd.readouterr()
    experiment = tracking.connect("bmn")
    assert capfd.readouterr().err == ""
    assert MlflowClient().get_experiment(experiment).artifact_location == (there[0] / "mlruns/bmn").as_uri()


READ = """
from bmn import tracking
from bmn.tracking import compare
try:
    open("mlruns/mlflow.db", "ab")
except PermissionError:
    tracking.connect("bmn")
    print(sum(len(group.runs) for group in compare.grouped(compare.choose([], "bmn"))))
"""


def obey_permissions():
    """Before an exec: make file modes apply to root too."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are specific to Linux")
@pytest.mark.parametrize("there", [NAMES[0]], indirect=True)
def test_a_read_only_store_is_read_and_left_alone(there, monkeypatch):
    here = move(there[0], "here", monkeypatch, keep=True)
    folders = [here / "mlruns", *(path for path in (here / "mlruns").rglob("*") if path.is_dir())]
    before = (here / "mlruns/mlflow.db").read_bytes()
    (here / "mlruns/mlflow.db").chmod(0o444)
    for folder in folders:
        folder.chmod(0o555)
    read = subprocess.run(
        [sys.executable, "-c", READ], cwd=here, env=os.environ | {"PYTHONPATH": str(SRC)}, capture_output=True,
        text=True, check=False, preexec_fn=obey_permissions,
    )  # fmt: skip
    for folder in folders:
        folder.chmod(0o755)
    assert (read.returncode, read.stdout) == (0, "2\n"), read.stderr
    assert "was created in" not in read.stderr
    assert (here / "mlruns/mlflow.db").read_bytes() == before


def test_a_project_whose_name_starts_the_same_keeps_its_paths(tmp_path):
    """Only whole folder names match, and paths outside any project's mlruns stay."""
    place = tmp_path / "mlflow.db"
    given = ["file:///a/one/mlruns/bmn", "file:///a/one two/mlruns/x", "s3://bucket/mlruns/bmn", "/a/one/mlruns/0"]
    tracking.connect("bmn")
    shutil.copy("mlruns/mlflow.db", place)
    with sqlite3.connect(place) as store:
        store.execute("DELETE FROM experiments")
        for number, location in enumerate(given):
            store.execute(
                "INSERT INTO experiments (experiment_id, name, artifact_location) VALUES (?, ?, ?)",
                (number, f"{number}", location),
            )
        store.execute("UPDATE experiments SET artifact_location = 'file:///a/one-more/x' WHERE name = '1'")
    follow_project(place, Path("/b"))
    with sqlite3.connect(place) as store:
        found = [row[0] for row in store.execute("SELECT artifact_location FROM experiments ORDER BY experiment_id")]
    assert found == ["file:///b/mlruns/bmn", "file:///a/one-more/x", "s3://bucket/mlruns/bmn", "/b/mlruns/0"]


@pytest.mark.parametrize("there", [NAMES[0]], indirect=True)
def test_the_settings_of_a_moved_model_are_those_of_its_evaluation(there, monkeypatch):
    """The model's MLflow file names its run."""
    here = move(there[0], "here", monkeypatch, keep=False)
    tracking.connect("bmn")
    (here / "MLmodel").write_text(f"run_id: {there[1]}\nflavors: {{}}\n")
    assert evaluated_settings(here)["alpha"] == 0.4
