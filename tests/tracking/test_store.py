"""The store that MLflow is pointed at."""

import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from shell import BMN
from tracking.serving import environment

from bmn import tracking
from bmn.base.errors import BmnError
from bmn.tracking.champions import promote, roll_back
from bmn.tracking.compare import choose
from bmn.tracking.models import evaluated_settings
from bmn.tracking.runs import settings
from bmn.tracking.store import answering, open_store

pytestmark = [pytest.mark.xdist_group("tracking"), pytest.mark.usefixtures("project")]


@pytest.fixture
def newer(project):
    """A store whose schema this MLflow does not know."""
    tracking.connect("bmn")
    with sqlite3.connect("mlruns/mlflow.db") as store:
        store.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    return project


SENTENCE = r"mlflow\.db: was written by a newer MLflow than this one \(3\.\S+ does not know its schema f{12}\); install"


def test_a_store_of_a_newer_mlflow_is_refused(newer):
    with pytest.raises(BmnError, match=SENTENCE):
        tracking.connect("bmn")


@pytest.mark.parametrize(
    "words", [["promote", "1", "--reason", "better"], ["gc"], ["send"], ["serve", "--model", "models:/bmn/1"]]
)
def test_every_command_refuses_it_in_one_sentence(newer, words):
    done = subprocess.run([BMN, *words], cwd=newer, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "was written by a newer MLflow" in done.stderr.splitlines()[-1]


def test_several_first_runs_at_once_make_one_experiment(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/theirs.db")  # a team's: no lock of ours
    open_store()
    with ThreadPoolExecutor(4) as pool:
        for name in map(str, range(10)):
            assert len({*pool.map(tracking.connect, 4 * [name])}) == 1


SERVER, DATABASE = "http://me:secret@127.0.0.1:1", "postgresql+psycopg://me:secret@127.0.0.1:1/runs"


@pytest.mark.parametrize(
    ("store", "words"),
    [
        (SERVER, ["gc"]),
        (SERVER, ["serve"]),
        (SERVER, ["serve", "--model", "models:/bmn/1"]),
        (DATABASE, ["rollback", "1", "--reason", "slow"]),
    ],
)
def test_a_store_that_does_not_answer_is_told_soon_and_without_its_password(project, store, words):
    given = environment() | {"MLFLOW_TRACKING_URI": store, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = subprocess.run(
        [BMN, *words], cwd=project, env=given, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "me:***@127.0.0.1:1" in done.stderr.splitlines()[-1]
    assert "does not respond" in done.stderr.splitlines()[-1]
    assert "will be retried" not in done.stderr  # by MLflow, for minutes
    assert "secret" not in done.stdout + done.stderr


@pytest.fixture
def gone(project, monkeypatch):
    """The store was there when the command began."""
    tracking.connect("bmn")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    mlflow.set_tracking_uri(SERVER)


@pytest.mark.parametrize(
    ("ask", "words"), [(choose, ([], "bmn")), (promote, ("1", "better")), (roll_back, ("1", "slow"))]
)
def test_a_store_that_goes_away_while_a_command_uses_it_is_told(gone, ask, words):
    with pytest.raises(BmnError, match=r"me:\*\*\*@127\.0\.0\.1:1: MLflow does not respond"):
        ask(*words)


@pytest.fixture
def stranger(project):
    """A downloaded model whose run this store has never had."""
    tracking.connect("bmn")
    (project / "MLmodel").write_text(f"run_id: {32 * 'f'}\nflavors: {{}}\n")
    return project


def test_a_model_of_another_store_has_no_evaluation_here(stranger):
    assert evaluated_settings(stranger) == {}


def test_a_store_that_goes_away_is_not_taken_for_another_store(stranger, gone):
    """The model would be served with settings that its evaluation has replaced."""
    with pytest.raises(MlflowException, match="Max retries exceeded"):
        evaluated_settings(stranger)


def test_a_file_that_a_proxy_refuses_is_told(project, tmp_path):
    """It answers itself, and not as MLflow does."""

    class Refusing(BaseHTTPRequestHandler):
        def do_PUT(self):
            self.send_error(413)

    (tmp_path / "BMN.onnx").write_bytes(b"large")
    with HTTPServer(("127.0.0.1", 0), Refusing) as proxy, ThreadPoolExecutor(1) as pool:
        served = pool.submit(proxy.handle_request)
        place = HttpArtifactRepository(f"http://127.0.0.1:{proxy.server_port}/api/2.0/mlflow-artifacts/artifacts")
        with (
            pytest.raises(BmnError, match=r"MLflow does not respond \(413 Client Error: Request Entity Too Large"),
            answering(),
        ):
            place.log_artifact(str(tmp_path / "BMN.onnx"))
        served.result()


def test_tags_hold_no_password(params):
    data = params.data.model_copy(update={"features": "https://me:secret@host/features.tar"})
    tags = settings(params.model_copy(update={"data": data}), "data")
    assert tags["data.features"] == "https://me:***@host/features.tar"
