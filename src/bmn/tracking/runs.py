"""Runs: what they are called, what is filed under them, how they begin and end.

A training is one run. ``train`` starts it and writes its id; ``evaluate`` and ``export`` reopen it by that id.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from ruamel.yaml import YAML

from bmn.base.errors import Stopped
from bmn.base.files import read_json
from bmn.base.params import Params, flatten
from bmn.recipes.presets import differences
from bmn.tracking.outbox import Outbox, metric_name, outboxes
from bmn.tracking.store import connect, project_root, store_uri

LOGGED_ONCE = ("data", "model", "train")  # what a training is made of: MLflow parameters
LOGGED_AGAIN = ("proposals", "evaluate", "export")  # may change on the same run: tags, which can be overwritten


def run_name(params: Params) -> str:
    """What tells this run from others: the data set, then each parameter that differs from its preset."""
    preset = "embedded" if params.data.source == "synthetic" else params.data.source
    changed = (f"{key.rpartition('.')[2]}={value}" for key, value in differences(params).items())
    return params.tracking.run_name or " ".join([preset, *changed])


@contextmanager
def training_run(params: Params, run_id: str | None) -> Iterator[Outbox]:
    """Start the run of a training, or go on with ``run_id``.

    FINISHED at the end, KILLED when a signal stopped the training, FAILED on any other error. If MLflow goes away
    meanwhile, the training does not notice: what it has to tell waits in the outbox.

    Yields:
        What takes metrics, figures, files and checkpoints for the run.
    """
    connect(params.tracking.experiment)
    known = run_id if run_id and _exists(run_id) else None
    run = mlflow.start_run(run_id=known, run_name=run_name(params), log_system_metrics=True)
    values = params.model_dump(include=set(LOGGED_ONCE), exclude={"train": {"devices"}})
    mlflow.log_params(dict(flatten(values)))
    mlflow.set_tags(dict(flatten(params.model_dump(include=set(LOGGED_AGAIN)))) | origin())
    outbox = Outbox(outboxes() / run.info.run_id)
    status = "FAILED"
    try:
        yield outbox
        status = "FINISHED"
    except Stopped:
        status = "KILLED"
        raise
    finally:
        outbox.close(status)
        with suppress(MlflowException):  # the outbox has said so, and keeps the status
            mlflow.end_run(status)


def mark_failed(run_file: Path) -> None:
    """Mark the run of a training whose processes are gone as FAILED, unless they did so themselves.

    Args:
        run_file: where the training wrote the id of its run; it may not have come so far.
    """
    if not run_file.exists():
        return
    client, run_id = MlflowClient(store_uri()), read_json(run_file)["run_id"]
    try:
        if client.get_run(run_id).info.status == "RUNNING":
            client.set_terminated(run_id, "FAILED")
    except MlflowException:
        print(f"{store_uri()}: MLflow does not answer; run {run_id} may be called RUNNING there", file=sys.stderr)


@contextmanager
def reopened_run(params: Params, run_id: str) -> Iterator[None]:
    """Go on with the run of a training that is done; where this store does not have it, start one that names it."""
    connect(params.tracking.experiment)
    known = _exists(run_id)
    with mlflow.start_run(run_id=run_id if known else None, run_name=None if known else run_name(params)):
        if not known:
            mlflow.set_tag("bmn.trained_in_run", run_id)
        mlflow.set_tags(dict(flatten(params.model_dump(include=set(LOGGED_AGAIN)))))
        yield


@contextmanager
def data_run(params: Params) -> Iterator[None]:
    """A run of its own for what describes the data alone, in an experiment beside that of the trainings."""
    connect(f"{params.tracking.experiment} data")
    with mlflow.start_run(run_name=params.data.source):
        mlflow.log_params(dict(flatten(params.model_dump(include={"data"}))))
        mlflow.set_tags(origin())
        yield


def _exists(run_id: str) -> bool:
    try:
        return bool(mlflow.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False


def origin() -> dict[str, str]:
    """What the run was computed from: git commit and whether the tree differs from it, DVC's names and hashes."""
    tags = {}
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags["git.commit"] = commit
        tags["git.dirty"] = str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower()
    for tag, variable in (("dvc.stage", "DVC_STAGE"), ("dvc.exp", "DVC_EXP_NAME")):
        if variable in os.environ:
            tags[tag] = os.environ[variable]
    lock = Path("dvc.lock")
    if lock.exists():
        outs = YAML(typ="safe").load(lock)["stages"].get("convert", {}).get("outs", [])
        tags |= {f"dvc.{out['path']}": out["md5"] for out in outs}
    return tags


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def log_dataset(path: Path, sha256: str, source: str) -> None:
    """File the packed features of a subset as an input of the run.

    Args:
        path: the array, named after its subset.
        sha256: its checksum.
        source: ``data.source``.
    """
    place = LocalArtifactDatasetSource((project_root() / path).as_uri())
    mlflow.log_input(MetaDataset(place, name=f"{source} {path.stem}", digest=sha256[:16]), context=path.stem)


def log_metrics(values: Mapping[str, float], step: int) -> None:
    """File metrics; MLflow allows no ``@`` in a name, ``AR@100`` becomes ``AR_100``."""
    mlflow.log_metrics({metric_name(name): value for name, value in values.items()}, step=step)


def log_curve(name: str, steps: Iterable[int], values: Iterable[float]) -> None:
    """File a metric over something that is no time, such as AR over the number of proposals."""
    now = time.time_ns() // 1_000_000
    points = [Metric(name, value, now, step) for step, value in zip(steps, values, strict=True)]
    MlflowClient().log_batch(mlflow.active_run().info.run_id, metrics=points)


def log_file(path: Path, folder: str) -> None:
    """File a file or a folder under a folder of the run's artifacts."""
    if path.is_dir():
        mlflow.log_artifacts(str(path), folder)
    else:
        mlflow.log_artifact(str(path), folder)
