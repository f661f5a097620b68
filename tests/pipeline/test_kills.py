"""A pipeline that is killed again and again, in every stage and in several ways, ends as one that never was.

``BMN_TEST_KILLED_RUNS`` says how many runs are tried; each is killed six times. Ten were, in all sixty kills.
"""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from pipeline.project import Project, make_project
from shell import PATIENCE, command_line

pytestmark = pytest.mark.xdist_group("pipeline")  # it takes minutes: large groups begin first
RUNS = int(os.environ.get("BMN_TEST_KILLED_RUNS", "1"))
STAGES = ("download", "convert", "train", "train", "evaluate", "export")  # each is killed in once, training twice
OURS = "key NOT LIKE 'system/%'"
COMPUTED = f"{OURS} AND key NOT LIKE '%latency%' AND key NOT LIKE '%per_second'"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Project:
    """A project in which nothing has run; two processes have whole micro-batches, so they compute what one does."""
    project = make_project(tmp_path_factory.mktemp("kills") / "fresh")
    project = Project(project.folder, project.environment | {"OMP_NUM_THREADS": "1"})
    project.set(train__epochs=3, train__micro_batch_size=2, execution__checkpoint_minutes=1e-6)
    return project


def copy(project: Project, folder: Path) -> Project:
    shutil.copytree(project.folder, folder)
    return project.at(folder)


@pytest.fixture(scope="module")
def uninterrupted(fresh, tmp_path_factory):
    project = copy(fresh, tmp_path_factory.mktemp("kills") / "uninterrupted")
    project.run("dvc", "repro")
    return result(project)


def result(project: Project) -> dict[str, object]:
    """All that a pipeline leaves behind, but for times and the ids of runs and models."""
    files = {
        str(path.relative_to(project.folder)): path.read_bytes()
        for folder in ("data", "outputs")
        for path in sorted((project.folder / folder).rglob("*"))
        if path.is_file() and path.name != "run.json"
    }
    with contextlib.closing(sqlite3.connect(project.folder / "mlruns/mlflow.db")) as store:

        def rows(query: str) -> list[tuple[object, ...]]:
            return sorted(store.execute(query).fetchall(), key=repr)

        ledger = {
            "points": rows(f"SELECT key, step, value FROM metrics WHERE {COMPUTED}"),
            "points that are measured": rows(f"SELECT key, step FROM metrics WHERE {OURS} AND NOT ({COMPUTED})"),
            "points of models": rows("SELECT metric_name, metric_step, metric_value FROM logged_model_metrics"),
            "runs": rows("SELECT name, status, lifecycle_stage FROM runs"),
            "parameters": rows("SELECT key, value FROM params"),
            "models": rows("SELECT name, status FROM logged_models WHERE lifecycle_stage = 'active'"),
            "versions": rows("SELECT name, version FROM model_versions WHERE current_stage != 'Deleted_Internal'"),
            "champions": rows("SELECT name, alias, version FROM registered_model_aliases"),
        }
        [(folder,)] = store.execute("SELECT DISTINCT artifact_uri FROM runs").fetchall()
    place = Path(folder.removeprefix("file://"))
    ledger["artifacts"] = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    return files | ledger


class Pipeline:
    """``dvc repro`` under way."""

    def __init__(self, project: Project) -> None:
        project.run("make", "--silent", "unlocked")
        self.log = open(project.folder.with_suffix(".log"), "ab")  # noqa: SIM115 - closed with the process
        self.dvc = subprocess.Popen(
            ["dvc", "repro"], cwd=project.folder, env=project.environment, stdout=self.log, stderr=self.log,
            start_new_session=True,
        )  # fmt: skip

    def family(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.dvc.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def stage(self) -> psutil.Process | None:
        """The process that runs a stage now."""
        for process in self.family():
            match command_line(process):
                case ["python", *_, last] if last.startswith("stages/"):
                    return process
        return None

    def wait_for(self, name: str) -> bool:
        """Whether a stage came to run before the pipeline ended."""
        deadline = time.monotonic() + PATIENCE
        while self.dvc.poll() is None:
            assert time.monotonic() < deadline
            stage = self.stage()
            if stage is not None and command_line(stage)[-1:] == [f"stages/{name}.py"]:
                return True
            time.sleep(0.01)
        return False

    def kill(self, how: str) -> str:
        """Kill DVC alone, the process of the stage, one of those that it began, or all at once; gives what was killed.

        Nothing of it lives on.
        """
        family, stage = self.family(), self.stage()
        if stage is None:  # between two stages
            how = "group"
        try:
            match how:
                case "dvc":
                    self.dvc.kill()
                case "stage":
                    stage.kill()
                case "one process":  # not one of those that Python asks about the machine
                    begun = [one for one in stage.children(recursive=True) if one.name().startswith("python")]
                    (begun or [stage])[-1].kill()
        except psutil.NoSuchProcess:  # it has just ended
            how = "group"
        if how == "group":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.dvc.pid, signal.SIGKILL)
        if how in ("dvc", "group"):
            self.dvc.wait()
        _, left = psutil.wait_procs(family, timeout=PATIENCE)
        assert [command_line(process) for process in left] == [], f"after a kill of {how}"
        self.dvc.wait(PATIENCE)
        self.log.close()
        return how


@pytest.mark.parametrize("number", range(RUNS))
def test_killed_in_every_stage_it_ends_as_if_it_never_was(fresh, uninterrupted, tmp_path, number):
    rng = random.Random(number)
    project = copy(fresh, tmp_path / "project")
    project.set(execution__devices=("cpu", "cpu:2")[number % 2])
    killed = []
    for place, name in enumerate(STAGES):
        pipeline = Pipeline(project)
        if not pipeline.wait_for(name):
            assert pipeline.dvc.returncode == 0, (killed, Path(pipeline.log.name).read_text()[-2000:])
            break
        time.sleep(rng.uniform(0, {"train": 5, "evaluate": 5, "export": 7}.get(name, 0.7)))
        killed.append((name, pipeline.kill(("dvc", "stage", "one process", "group")[(number + place) % 4])))
    assert len(killed) > 3
    project.run("make", "--silent", "unlocked")
    done = project.run("dvc", "repro", check=False)
    assert done.returncode == 0, (killed, done.stdout, done.stderr)
    found = result(project)
    assert found.keys() == uninterrupted.keys(), killed
    assert {name for name in found if found[name] != uninterrupted[name]} == set(), killed
    print(number, "killed", *killed)
