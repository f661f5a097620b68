"""How runs begin and end, and their names."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML
from tracking.subsets import validation

from bmn import tracking
from bmn.base.errors import Stopped
from bmn.base.params import flatten, validate_params
from bmn.tracking import runs
from bmn.tracking.delivery import outboxes
from bmn.tracking.journal import Journal

pytestmark = [pytest.mark.xdist_group("tracking"), pytest.mark.usefixtures("project")]
ROOT = Path(__file__).parents[2]


def given(strict=False, train=None, **execution):
    values = {
        "data": {"source": "synthetic", "strict": strict},
        "train": {"loss_weights": {"tem": 2.0}} | (train or {}),
        "execution": execution,
    }
    return validate_params(values, "params.yaml")


def run_of(run_id):
    return MlflowClient(tracking.store_uri()).get_run(run_id)


@pytest.mark.parametrize(("error", "status"), [(Stopped("by a signal"), "KILLED"), (ZeroDivisionError(), "FAILED")])
def test_the_run_ends_as_the_training_ended_and_resumes_under_its_id(params, error, status):
    with pytest.raises(type(error)), tracking.training_run(params, Path("run.json"), []) as run:
        raise error
    assert run_of(run.run_id).info.status == status
    with tracking.training_run(params, Path("run.json"), []) as again:
        pass
    assert again.run_id == run.run_id
    assert run_of(run.run_id).info.status == "FINISHED"


def training(subsets, block):
    """A training in its own process."""
    code = (
        "import os; from pathlib import Path; from bmn import tracking; from bmn.base.params import validate_params\n"
        "params = validate_params({'data': {'source': 'synthetic'}}, 'params.yaml')\n"
        f"with tracking.training_run(params, Path('run.json'), {subsets}) as run: {block}"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_error_before_the_training_does_not_finish_the_run():
    """When Python exits, MLflow marks open runs as FINISHED."""
    assert "AttributeError" in training("[None]", "pass").stderr  # None is not a subset
    assert run_of(json.loads(Path("run.json").read_text())["run_id"]).info.status == "FAILED"


def test_killed_while_creating_the_store_it_leaves_a_working_one_or_none(params):
    """SQLAlchemy reports each of MLflow's steps; adding a column twice fails."""
    code = (
        "import os; from sqlalchemy import Engine, event\n"
        "def kill(_, cursor, statement, *rest): 'ADD COLUMN' in statement and os.kill(os.getpid(), 9)\n"
        "event.listen(Engine, 'after_cursor_execute', kill)\n"
        "from bmn import tracking; tracking.connect('bmn')"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, check=False)
    assert done.returncode == -9
    with tracking.training_run(params, Path("run.json"), []) as run:
        pass
    assert run_of(run.run_id).info.status == "FINISHED"


def test_parameters_shape_the_weights_and_tags_may_change_on_resuming():
    with pytest.raises(Stopped), tracking.training_run(given(), Path("run.json"), []) as run:
        raise Stopped("by a signal")
    with tracking.training_run(given(strict=True, checkpoint_minutes=1.0, devices="cpu"), Path("run.json"), []):
        pass
    found = run_of(run.run_id).data
    named = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["train"]["params"]
    keys = [key for key in named if isinstance(key, str)]
    of_training = [key for key, _ in flatten(given().model_dump(include={"model", "train"}))]
    assert set(found.params) == {key for key in of_training if key in keys or key.rpartition(".")[0] in keys}
    assert found.params["train.loss_weights.tem"] == "2.0"
    tags = {key: found.tags[key] for key in ("data.strict", "execution.devices", "execution.checkpoint_minutes")}
    assert tags == {"data.strict": "True", "execution.devices": "cpu", "execution.checkpoint_minutes": "1.0"}
    assert not any(key.startswith("proposals.") for key in found.tags)  # these belong to an evaluation


def test_killed_before_saving_its_run_id_it_finds_its_run_again(params, monkeypatch):
    """The file holds the run's tag but not yet its id."""
    with pytest.raises(Stopped), tracking.training_run(params, Path("run.json"), []) as run:
        raise Stopped("by a signal")
    Path("run.json").write_text(json.dumps({"start": json.loads(Path("run.json").read_text())["start"]}))
    with tracking.training_run(params, Path("run.json"), []) as again:
        pass
    assert again.run_id == run.run_id


def test_a_deleted_run_is_not_resumed(params):
    with tracking.training_run(params, Path("run.json"), []) as run:
        pass
    MlflowClient().delete_run(run.run_id)
    with tracking.training_run(params, Path("run.json"), [validation()]) as again:
        pass
    assert again.run_id != run.run_id


def test_the_supervisor_marks_a_run_that_was_left_running(tmp_path):
    """It was killed while training; what it has logged is kept, and the run is FAILED."""
    assert training("[]", "run.metrics({'train/loss': 1.0}, 1), os.kill(os.getpid(), 9)").returncode == -9
    run_id = json.loads((tmp_path / "run.json").read_text())["run_id"]
    for _ in range(2):
        tracking.mark_failed(tmp_path / "run.json")
        assert run_of(run_id).info.status == "FAILED"
        assert run_of(run_id).data.metrics["train/loss"] == 1.0
    tracking.mark_failed(tmp_path / "none.json")


@pytest.mark.parametrize("status", ["KILLED", "FINISHED"])
def test_the_supervisor_leaves_a_run_that_recorded_how_it_ended(params, status):
    try:
        with tracking.training_run(params, Path("run.json"), []) as run:
            if status == "KILLED":
                raise Stopped("by a signal")
    except Stopped:
        pass
    tracking.mark_failed(Path("run.json"))
    assert run_of(run.run_id).info.status == status
    assert Journal(outboxes() / run.run_id).exists() == (status == "KILLED")


def test_the_name_lists_what_differs_from_the_preset():
    assert runs.run_name(given(train={"epochs": 7})).startswith("embedded strict=False epochs=7")


@pytest.mark.parametrize("cut", ["", "schema: '2.0'\n", "schema: '2.0'\nstages:\n  conv"])
def test_a_dvc_lock_that_is_just_being_written_gives_no_tags(cut):
    Path("dvc.lock").write_text(cut)
    assert [key for key in runs.origin() if key.startswith("dvc.")] == []


def test_how_a_training_ended_is_recorded_before_anything_is_waited_for(params, monkeypatch):
    """A server that does not answer may keep it until it is killed."""
    asked, answered = threading.Event(), threading.Event()

    def deliver(folder):
        asked.set()
        answered.wait()

    monkeypatch.setattr("bmn.tracking.outbox.deliver", deliver)

    def stopped():
        with pytest.raises(Stopped), tracking.training_run(params, Path("run.json"), []):
            asked.wait()
            raise Stopped("by a signal")

    training = threading.Thread(target=stopped)
    training.start()
    deadline = time.monotonic() + 120
    while not (found := any(b"KILLED" in path.read_bytes() for path in outboxes().rglob("*") if path.is_file())):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    answered.set()
    training.join()
    assert found
