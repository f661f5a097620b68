"""Every point exactly once: with a local store, servers on SQLite and PostgreSQL, kills and outages."""

import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from servers import serving
from tracking.subsets import validation

from bmn import tracking
from bmn.base.errors import BmnError, Stopped
from bmn.tracking import outbox
from bmn.tracking.delivery import deliver, outboxes
from bmn.tracking.journal import Journal

pytestmark = [pytest.mark.xdist_group("tracking"), pytest.mark.usefixtures("project")]
HERE = Path(__file__).parent


def train(params, checkpoint, iterations=range(1, 6), during=lambda iteration: None):
    """Log what a training logs; returns the id of its run."""
    with tracking.training_run(params, Path("run.json"), [validation()]) as run:
        for iteration in iterations:
            run.metrics({"train/loss": 1 / iteration, "train/gradient_norm": float("inf")}, iteration)
            during(iteration)
        run.metrics({"val/AUC": 60.0, "val/AR@100": 70.0}, iterations[-1])
        run.losses([{"epoch": 1, "train/loss": 1.0}])
        run.checkpoint(checkpoint, iterations[-1])
    return run.run_id


def steps(run_id, name):
    return [point.step for point in MlflowClient(tracking.store_uri()).get_metric_history(run_id, name)]


def check(run_id, iterations=range(1, 6)):
    """The store has everything that ``train`` logged, once."""
    client = MlflowClient(tracking.store_uri())
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(i, pytest.approx(1 / i)) for i in iterations]
    assert [point.value for point in client.get_metric_history(run_id, "val/AR_100")] == [70.0]
    assert [item.path for item in client.list_artifacts(run_id, "figures")] == ["figures/losses.png"]
    [model] = client.search_logged_models([run.info.experiment_id])
    assert (model.name, model.model_type, model.source_run_id) == ("best", "checkpoint", run_id)
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    metrics = {metric.key: (metric.value, metric.dataset_digest) for metric in model.metrics}
    assert metrics == {"val/AUC": (60.0, validation().digest), "val/AR_100": (70.0, validation().digest)}
    assert len(model.metrics) == 2
    assert not list(outboxes().glob("*"))


def test_a_local_store(params, checkpoint):
    check(train(params, checkpoint))


def run_training(*words, **environment):
    python_path = os.pathsep.join([str(HERE.parent), str(HERE.parents[1] / "src")])
    return subprocess.run(
        [sys.executable, HERE / "training.py", *words],
        env=os.environ | {"PYTHONPATH": python_path} | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(int(os.environ.get("BMN_TEST_KILLS", "1"))))
def test_killed_again_and_again_it_logs_every_point_once(seed):
    """SIGKILL at random moments; what was logged after the last checkpoint is logged again."""
    moments = random.Random(seed)
    for _ in range(3):
        killed = run_training(str(moments.uniform(0.02, 0.6)))
        assert killed.returncode == -9, killed.stderr
        if moments.random() < 0.5:
            [journal] = outboxes().glob("*/journal.jsonl")
            with open(journal, "ab") as file:  # the kill tore the line being written
                file.write(b'["train/loss", "0.01", 17'[: moments.randrange(1, 25)])
    done = run_training()
    assert done.returncode == 0, done.stderr
    client = MlflowClient(tracking.store_uri())
    [run] = client.search_runs([client.get_experiment_by_name("bmn").experiment_id])
    assert run.info.status == "FINISHED"
    for name in ("train/loss", "train/videos_per_second"):
        assert sorted(steps(run.info.run_id, name)) == list(range(1, 301))
    assert sorted(steps(run.info.run_id, "val/AUC")) == list(range(10, 301, 10))
    assert len(client.search_logged_models([run.info.experiment_id])) == 1


def test_killed_before_the_cursor_moves_it_sends_the_same_again(params, checkpoint):
    """The cursor is reset after everything was sent, as if every kill had come at that moment."""

    def stop(iteration):
        if iteration == 4:
            raise Stopped("by a signal")

    with pytest.raises(Stopped):
        train(params, checkpoint, during=stop)
    [folder] = outboxes().glob("*")
    for _ in range(2):
        (folder / "cursor").unlink()
        assert deliver(folder) > 8
        assert steps(folder.name, "train/loss") == [1, 2, 3, 4]
    assert MlflowClient().get_run(folder.name).info.status == "KILLED"


def test_a_training_that_resumes_without_its_journal_logs_nothing_twice(params, checkpoint):
    """As when it was killed after its run was FINISHED, before its checkpoints were removed."""
    run_id = train(params, checkpoint)
    assert train(params, checkpoint, range(3, 6)) == run_id
    check(run_id)


def test_a_torn_line_is_cut_off(tmp_path):
    journal = Journal(tmp_path / "run")
    journal.append([("a", "1.0", 5, 1), ("b", "inf", 5, 1)])
    with open(tmp_path / "run/journal.jsonl", "ab") as file:
        file.write('["ä'.encode()[:-1])
    assert journal.known() == {("a", 1), ("b", 1)}
    journal.cut()
    journal.append([("c", "1.0", 6, 2)])
    [(points, _)] = journal.unsent()
    assert [name for name, *_ in points] == ["a", "b", "c"]


def test_a_full_disk_is_reported_and_leaves_no_partial_line(tmp_path):
    journal = Journal(tmp_path / "run")
    journal.append([("a", "1.0", 5, 1)])
    path = tmp_path / "run/journal.jsonl"
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 7, limits[1]))
    try:
        with pytest.raises(BmnError, match=r"journal\.jsonl: cannot be written .* make room"):
            journal.append([("b", "1.0", 5, 1)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before


def test_a_server_on_postgresql(params, checkpoint, tmp_path, monkeypatch):
    """The journal is sent twice from its beginning, and stored once."""
    with serving("postgresql", tmp_path) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)

        def keep(iteration):
            if iteration == 5:
                time.sleep(3)  # everything is sent
                [folder] = outboxes().glob("*")
                (folder / "cursor").unlink(missing_ok=True)

        check(train(params, checkpoint, during=keep))


def test_a_server_on_sqlite_that_goes_down_and_comes_back(params, checkpoint, tmp_path, monkeypatch, capfd):
    """It is down in the middle of one training and back before its end, and down at the end of another."""
    monkeypatch.setattr(outbox, "EVERY", 0.2)
    with serving("sqlite", tmp_path) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)

        def leave_and_return(iteration):
            time.sleep(0.5)
            if iteration == 2:
                server.stop()
            if iteration == 4:
                told = ""
                while "MLflow does not respond" not in told:
                    told += capfd.readouterr().err
                    time.sleep(0.05)
                server.start()

        check(train(params, checkpoint, during=leave_and_return))
        assert "MLflow responds again and is up to date" in capfd.readouterr().err

        client = MlflowClient(server.uri)
        [first] = client.search_logged_models([client.get_experiment_by_name("bmn").experiment_id])
        client.delete_logged_model(first.model_id)
        Path("run.json").unlink()
        run_id = train(params, checkpoint, during=lambda iteration: server.stop() if iteration == 3 else None)
        assert "is kept. Send it later with: make send" in capfd.readouterr().err
        journal = outboxes() / run_id / "journal.jsonl"
        kept = journal.read_bytes()

        with pytest.raises(BmnError, match="MLflow does not respond"):
            list(outbox.send_all())
        assert journal.read_bytes() == kept
        server.start()
        (outboxes() / ("f" * 32)).mkdir()
        shutil.copy(journal, outboxes() / ("f" * 32))  # of a deleted run, which does not hold up the others
        sent = outbox.send_all()
        assert next(sent) == run_id
        with pytest.raises(BmnError, match="or delete the folder of a deleted run"):
            next(sent)
        shutil.rmtree(outboxes() / ("f" * 32))
        check(run_id)


def test_a_server_that_is_down_at_the_start_is_reported(params, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(BmnError, match=r"MLflow does not respond .*MLFLOW_TRACKING_URI"):
        tracking.connect("bmn")
