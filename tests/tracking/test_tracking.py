"""MLflow for real: a local store, servers on SQLite and PostgreSQL, one that goes away and comes back."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import mlflow
import psutil
import pytest
from mlflow import MlflowClient
from shell import bmn

from bmn import tracking
from bmn.base.errors import BmnError, Stopped
from bmn.base.params import validate_params
from bmn.tracking import compare, models, outbox

pytestmark = pytest.mark.xdist_group("tracking")
PATIENCE = 300.0  # seconds; a server's first start is slow on a busy machine
DATA = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty project folder, the store as the environment leaves it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield tmp_path
    mlflow.set_tracking_uri(None)


@pytest.fixture
def params():
    return validate_params({"data": {"source": "synthetic"}}, "params.yaml")


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "best.pdparams"
    path.write_bytes(b"weights")
    return path


def train(params, weights, iterations=range(1, 6), run_id=None, during=lambda iteration: None):
    """What a training tells; gives the id of its run."""
    with tracking.training_run(params, run_id) as run:
        tracking.log_dataset(Path("data/processed/validation.npy"), DATA, "synthetic")
        for iteration in iterations:
            run.metrics({"train/loss": 1 / iteration, "train/gradient_norm": float("inf")}, iteration)
            during(iteration)
        run.metrics({"val/AUC": 60.0, "val/AR@100": 70.0}, iterations[-1])
        run.file(weights, "files")
        run.checkpoint(weights, {"val/AUC": 60.0}, iterations[-1])
    return run.run_id


def check(run_id, iterations=range(1, 6)):
    """The store has all that ``train`` told, once."""
    client = MlflowClient(tracking.store_uri())
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(i, pytest.approx(1 / i)) for i in iterations]
    assert run.data.metrics["val/AR_100"] == 70.0
    assert [item.path for item in client.list_artifacts(run_id, "files")] == ["files/best.pdparams"]
    [model] = client.search_logged_models([run.info.experiment_id])
    assert (model.name, model.model_type, model.source_run_id) == ("best", "checkpoint", run_id)
    [metric] = model.metrics
    assert (metric.key, metric.value, metric.dataset_digest) == ("val/AUC", 60.0, DATA[:16])
    assert not list(outbox.outboxes().glob("*"))


def test_a_local_store(params, weights):
    check(train(params, weights))


def test_a_run_that_goes_on_keeps_its_id(params, weights):
    def stop(iteration):
        if iteration == 2:
            raise Stopped("by a signal")

    with pytest.raises(Stopped):
        train(params, weights, during=stop)
    client = MlflowClient(tracking.store_uri())
    [run] = client.search_runs([client.get_experiment_by_name("bmn").experiment_id])
    assert run.info.status == "KILLED"
    assert train(params, weights, range(3, 6), run.info.run_id) == run.info.run_id
    check(run.info.run_id)


def test_an_error_marks_the_run_as_failed(params):
    with pytest.raises(ZeroDivisionError), tracking.training_run(params, None) as run:
        raise ZeroDivisionError
    assert MlflowClient(tracking.store_uri()).get_run(run.run_id).info.status == "FAILED"


def test_the_watching_process_marks_a_run_that_was_left_running(params, tmp_path):
    tracking.connect("bmn")
    client = MlflowClient()
    for before, after in (("RUNNING", "FAILED"), ("KILLED", "KILLED"), ("FINISHED", "FINISHED")):
        run_id = client.create_run(client.get_experiment_by_name("bmn").experiment_id).info.run_id
        client.update_run(run_id, before)
        (tmp_path / "run.json").write_text(json.dumps({"run_id": run_id}))
        tracking.mark_failed(tmp_path / "run.json")
        assert client.get_run(run_id).info.status == after
    tracking.mark_failed(tmp_path / "none.json")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A real ``mlflow server`` on loopback."""

    def __init__(self, store: str, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.words = [
            sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(self.port),
            "--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts"),
        ]  # fmt: skip
        self.log = folder / "server.log"
        self.start()

    def start(self) -> None:
        with open(self.log, "ab") as log:
            environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            self.process = subprocess.Popen(self.words, stdout=log, stderr=log, env=environment)
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.2)

    def stop(self) -> None:
        family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def postgres():
    """A PostgreSQL of our own on loopback, run by a user who is not root, as it demands."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    as_user = []
    if os.geteuid() == 0:
        if (
            not shutil.which("runuser")
            or subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode
        ):
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    port, data = free_port(), Path(tempfile.mkdtemp())  # pytest's folders are closed to other users
    if as_user:
        shutil.chown(data, "postgres")
    run = {"check": True, "capture_output": True, "cwd": "/"}
    subprocess.run([*as_user, "initdb", "-D", data, "-A", "trust", "-U", "mlflow"], **run)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
    subprocess.run([*as_user, "pg_ctl", "-D", data, "-w", "-l", data / "log", "-o", options, "start"], **run)
    try:
        yield f"postgresql+psycopg://mlflow@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*as_user, "pg_ctl", "-D", data, "-m", "immediate", "stop"], **run)
        shutil.rmtree(data)


@contextmanager
def serving(kind: str, folder: Path):
    if kind == "sqlite":
        server = Server(f"sqlite:///{folder / 'server.db'}", folder)
        yield server
        server.stop()
    else:
        with postgres() as store:
            server = Server(store, folder)
            yield server
            server.stop()


def test_a_server_on_postgresql(params, weights, tmp_path, monkeypatch):
    with serving("postgresql", tmp_path) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        check(train(params, weights))


def test_a_server_on_sqlite_that_goes_away_and_comes_back(params, weights, tmp_path, monkeypatch, capfd):
    """It is gone in the middle of one training and back before its end, and gone at the end of another."""
    monkeypatch.setattr(outbox, "EVERY", 0.2)
    with serving("sqlite", tmp_path) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)

        def leave_and_return(iteration):
            time.sleep(0.5)
            if iteration == 2:
                server.stop()
            if iteration == 4:
                assert "MLflow does not answer" in capfd.readouterr().err
                server.start()

        check(train(params, weights, during=leave_and_return))
        assert "MLflow answers again and has everything" in capfd.readouterr().err

        client = MlflowClient(server.uri)
        [first] = client.search_logged_models([client.get_experiment_by_name("bmn").experiment_id])
        client.delete_logged_model(first.model_id)
        run_id = train(params, weights, during=lambda iteration: server.stop() if iteration == 3 else None)
        assert "is kept. Send it later with: make send" in capfd.readouterr().err
        kept = list((outbox.outboxes() / run_id).glob("*.json"))
        assert len(kept) >= 4

        with pytest.raises(BmnError, match="MLflow does not answer"):
            list(outbox.send_all())
        assert list((outbox.outboxes() / run_id).glob("*.json")) == kept
        server.start()
        assert list(outbox.send_all()) == [run_id]
        check(run_id)


def test_a_server_that_is_not_there_at_the_start_is_a_sentence(params, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(BmnError, match=r"MLflow does not answer there .*MLFLOW_TRACKING_URI"):
        tracking.connect("bmn")


def trained(auc, data=DATA, name="a"):
    """A run with a validation AUC, and a model of it."""
    tracking.connect("bmn")
    client = MlflowClient()
    experiment = client.get_experiment_by_name("bmn").experiment_id
    with mlflow.start_run(run_name=name) as run:
        tracking.log_dataset(Path("data/processed/validation.npy"), data, "synthetic")
        mlflow.log_param("train.seed", int(auc))
        for step, value in enumerate((auc - 5, auc, auc - 1)):
            tracking.log_metrics({"val/AUC": value, "train/loss": 1.0 / (step + 1)}, step)
        tracking.log_metrics({"evaluate/AUC": auc}, 0)
        tracking.log_curve("evaluate/AR", [1, 2, 3], [10.0, 20.0, 30.0])
    model = client.create_logged_model(experiment, "bmn", source_run_id=run.info.run_id)
    client.finalize_logged_model(model.model_id, "READY")
    return model.model_uri, run.info.run_id


def test_the_champion_changes_for_a_better_model_on_the_same_data_only(capsys):
    expected = [1, 1, 1, 4, 4]
    for auc, data, version in zip((60, 55, 60, 65, 90), (DATA,) * 4 + ("f" * 64,), expected, strict=True):
        uri, run_id = trained(auc, data)
        models.promote(uri, run_id)
        assert int(MlflowClient().get_model_version_by_alias("bmn", "champion").version) == version
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "model bmn version 1, validation AUC 60.00: the first, so the champion"
    assert told[3].endswith("the champion now, before version 1 (60.00)")
    assert told[4].endswith("version 4 (validated on other data) stays the champion")


def test_without_a_validation_nothing_is_registered(capsys):
    tracking.connect("bmn")
    with mlflow.start_run() as run:
        pass
    models.promote("models:/m-0", run.info.run_id)
    assert "not registered" in capsys.readouterr().out
    assert MlflowClient().search_registered_models() == []


def test_runs_side_by_side(tmp_path):
    (tmp_path / "params.yaml").write_text("data:\n  source: synthetic\n")
    for number in range(12):
        uri, run_id = trained(70 - number, name=f"<run> {number}")
        if number == 0:
            champion = run_id
            models.promote(uri, run_id)
    with mlflow.start_run(run_name="a trial", tags={"optuna.study": "bmn"}):
        pass
    table = bmn(tmp_path, "compare").stdout
    assert table.count("FINISHED") == 11  # the last ten and the champion, which is the first
    assert "<run> 0 (champion)" in table
    assert "<run> 1 " not in table
    assert "a trial" not in table  # it has a table of its own
    assert "train.seed" in table
    page = (tmp_path / "outputs/compare/index.html").read_text()
    assert "&lt;run&gt; 0 (champion)" in page
    assert "<run>" not in page
    assert f"/runs/{champion}" in page
    assert "http" not in page.replace("http://localhost:5000", "")  # nothing is fetched
    assert page.count('class="marked">70.00<') == 1  # the best AUC
    assert (tmp_path / "outputs/compare/curves.png").read_bytes().startswith(b"\x89PNG")

    rows = json.loads(bmn(tmp_path, "compare", champion, "<run> 5", "a trial", "--json").stdout)
    assert [row["AUC"] for row in rows] == [70, 65, None]
    with pytest.raises(BmnError, match="RUNS names 'nobody'"):
        compare.choose(["nobody"], "bmn")


def test_curves_are_those_of_the_runs():
    tracking.connect("bmn")
    trained(50)
    figure = compare.draw(compare.choose([], "bmn"))
    loss, auc, recall = figure.axes
    assert loss.lines[0].get_xydata().tolist() == [[0, 1.0], [1, 0.5], [2, pytest.approx(1 / 3)]]
    assert auc.lines[0].get_ydata().tolist() == [45, 50, 49]
    assert recall.lines[0].get_xydata().tolist() == [[1, 10], [2, 20], [3, 30]]
