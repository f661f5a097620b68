"""``bmn gc`` deletes what nobody uses, and that alone."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from bmn.cli.gc import main as gc
from bmn.tracking.logged_models import file_model
from bmn.tracking.store import connect
from bmn.training_jobs.garbage import of_trainings

HOLD = (
    "import filelock, sys; held = filelock.FileLock(sys.argv[1]); held.acquire(); print(flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder():
    """Another process that holds locks."""
    processes = []

    def hold(lock):
        process = subprocess.Popen([sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        process.stdout.readline()

    def let_go():
        for process in processes:
            process.communicate()
        processes.clear()

    hold.let_go = let_go
    yield hold
    let_go()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    return tmp_path


def left(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_dir()}


def test_live_trainings_and_sweeps_keep_what_they_use(project, capsys, holder):
    places = {".cache/train/dead", ".cache/train/live", ".cache/seeds/one", ".cache/tune/trainings/two"}
    for place in places:
        (project / place).mkdir(parents=True)
        (project / place / "000000001.npz").write_bytes(bytes(1000))
    holder(project / ".cache/train/live.lock")
    holder(project / ".cache/tune/.bmn.study.lock")
    gc([], standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1].split()[0] == "0"  # all are new
    gc(["--days", "0"], standalone_mode=False)
    first = capsys.readouterr().out
    assert [line.split()[2] for line in first.splitlines()[:-1]] == [".cache/train/dead", ".cache/seeds/one"]
    assert "2,000 bytes can be deleted" in first
    assert places <= left(project)  # a dry run deletes nothing
    gc(["--days", "0", "--delete"], standalone_mode=False)
    assert "2,000 bytes deleted" in capsys.readouterr().out
    assert places & left(project) == {".cache/train/live", ".cache/tune/trainings/two"}
    holder.let_go()
    gc(["--days", "0", "--delete"], standalone_mode=False)
    assert not places & left(project)


def test_files_of_deleted_runs_go_and_what_is_registered_stays(project, capsys):
    experiment, client = connect("bmn"), MlflowClient()
    places = {}
    for name in ("kept", "deleted", "registered"):
        run = client.create_run(experiment, run_name=name)
        client.log_text(run.info.run_id, "text", "file.txt")
        model = file_model(
            client, client.get_run(run.info.run_id), "best", "", name, 0,
            lambda model: client.log_model_artifact(model.model_id, __file__),
        )  # fmt: skip
        places[name] = (run.info.run_id, f"models/{model}")
    client.create_registered_model("bmn")
    client.create_model_version("bmn", f"models:/{model}", run.info.run_id, model_id=model)
    client.delete_run(places["deleted"][0])
    client.delete_run(places["registered"][0])
    gc([], standalone_mode=False)
    assert capsys.readouterr().out.count("was deleted") == 3
    gc(["--delete"], standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1].endswith("bytes deleted")
    mlruns = project / "mlruns/bmn"
    assert {
        name: tuple((mlruns / place).exists() for place in found) for name, found in places.items()
    } == {"kept": (True, True), "deleted": (False, False), "registered": (False, True)}  # fmt: skip
    gc([], standalone_mode=False)
    assert capsys.readouterr().out.split()[0] == "0"


def test_a_file_that_goes_while_one_looks_belongs_to_a_folder_in_use(project, monkeypatch):
    folder = project / ".cache/train/live"
    folder.mkdir(parents=True)
    (folder / "000000001.npz").touch()
    found = Path.rglob

    def rglob(path, pattern):
        listed = list(found(path, pattern))
        (folder / "000000001.npz").unlink()  # as a training replaces its checkpoints
        return listed

    monkeypatch.setattr(Path, "rglob", rglob)
    assert of_trainings(1e-9) == []
