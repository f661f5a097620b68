"""Runs: their names and ids, how they begin and end.

One training is one run. The stage ``train`` starts it and writes its id; later stages log to the same id
(:mod:`bmn.tracking.filing`).
"""

import os
import subprocess
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.tracking.context.registry import resolve_tags

from bmn.base.errors import BmnError, Stopped, without_passwords
from bmn.base.files import read_json, read_yaml, write_json
from bmn.base.params import flatten
from bmn.base.schema import Params
from bmn.data.subset import Subset
from bmn.provenance import NEUTRAL_PARAMETERS
from bmn.recipes.presets import differences
from bmn.tracking.outbox import Outbox, end_as_failed
from bmn.tracking.store import answering, connect

START = "bmn.start"  # tag of a run: a token that was saved before the run was created
PARENT = "mlflow.parentRunId"


def run_name(params: Params) -> str:
    """What distinguishes this run: the data set, then each parameter that differs from its preset."""
    preset = "embedded" if params.data.source == "synthetic" else params.data.source
    changed = (f"{key.rpartition('.')[2]}={value}" for key, value in differences(params).items())
    return params.tracking.run_name or " ".join([preset, *changed])


def settings(params: Params, *groups: str) -> dict[str, Any]:
    """All parameters of some groups, by dotted key, without passwords."""
    given = flatten(params.model_dump(include=set(groups)))
    return {key: without_passwords(value) if isinstance(value, str) else value for key, value in given}


@contextmanager
def training_run(params: Params, run_file: Path, subsets: Iterable[Subset]) -> Iterator[Outbox]:
    """The run of a training: a new one, or the one that an earlier start of the same training created.

    It ends as FINISHED, as KILLED when a signal stops the training, or as FAILED on any other error. If MLflow becomes
    unavailable meanwhile, the training continues and its metrics wait in the outbox.

    Args:
        run_file: remembers the run; lives as long as the training's checkpoints.
        subsets: the training's inputs.

    Yields:
        The outbox for metrics, figures and checkpoints.

    Raises:
        BmnError: MLflow does not respond at the start.
    """
    experiment = connect(params.tracking.experiment)
    with answering():
        outbox = Outbox(_run_of(run_file, experiment, run_name(params)))
    status, monitor = "FAILED", None
    try:
        # MLflow's parameters are immutable; what may change when a training resumes becomes a tag.
        own = settings(params, "model", "train")
        shaping = {key: value for key, value in own.items() if key not in NEUTRAL_PARAMETERS}
        given = {key: value for key, value in own.items() if key in NEUTRAL_PARAMETERS}
        outbox.about(shaping, settings(params, "data", "execution") | given | origin())
        for subset in subsets:
            outbox.dataset(subset, params.data.source)
        monitor = SystemMetricsMonitor(outbox.run_id, resume_logging=True)
        monitor.start()
        yield outbox
        status = "FINISHED"
    except Stopped:
        status = "KILLED"
        raise
    finally:
        try:
            outbox.close(status)
        finally:
            if monitor:
                monitor.finish()


def mark_failed(run_file: Path) -> None:
    """Mark the run of a training whose processes are gone as FAILED, unless they recorded how it ended.

    Args:
        run_file: where the training writes the id of its run; missing if it did not get that far.
    """
    if run_file.exists():
        end_as_failed(read_json(run_file)["run_id"])


def find_run(client: MlflowClient, experiment: str, run_id: str | None, tag: str, value: str) -> str | None:
    """The run with an id, else the run of an experiment with a tag; None if neither exists or it was deleted."""
    try:
        if run_id and client.get_run(run_id).info.lifecycle_stage == "active":
            return run_id
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    found = client.search_runs([experiment], f"tags.`{tag}` = '{value}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def _run_of(run_file: Path, experiment: str, name: str) -> str:
    """The run of a training. Its tag is saved before it is created, so that a kill in between leaves no duplicate."""
    known = read_json(run_file) if run_file.exists() else {}
    token = known.get("start") or uuid.uuid4().hex
    write_json(run_file, {**known, "start": token})
    client = MlflowClient()
    run_id = find_run(client, experiment, known.get("run_id"), START, token) or str(
        client.create_run(experiment, tags={START: token}, run_name=name).info.run_id
    )
    write_json(run_file, {"start": token, "run_id": run_id})
    return run_id


def origin() -> dict[str, str]:
    """Where the run comes from: user, git commit and whether the tree is dirty, DVC's stage, experiment and hashes."""
    tags = {key: value for key, value in resolve_tags().items() if key == "mlflow.user"}
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags["git.commit"] = commit
        tags["git.dirty"] = str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower()
    for tag, variable in (("dvc.stage", "DVC_STAGE"), ("dvc.exp", "DVC_EXP_NAME")):
        if variable in os.environ:
            tags[tag] = os.environ[variable]
    match _dvc_lock():
        case {"stages": {"convert": {"outs": list(outs)}}}:
            tags |= {f"dvc.{out['path']}": out["md5"] for out in outs}
    return tags


def _dvc_lock() -> Any:
    """What dvc.lock holds; None where there is none, or another process is just writing it."""
    try:
        return read_yaml(Path("dvc.lock"))
    except BmnError:
        return None


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
