"""Runs: what they are called, what names them, how they begin and end.

A training is one run. ``train`` starts it and writes its id; what is filed later (:mod:`bmn.tracking.filing`) is filed
under that id.
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
from ruamel.yaml import YAML

from bmn.base.errors import Stopped
from bmn.base.files import read_json, write_json
from bmn.base.params import Params, flatten
from bmn.data.subset import Subset
from bmn.provenance import NEUTRAL_PARAMETERS
from bmn.recipes.presets import differences
from bmn.tracking.outbox import Outbox, end_as_failed
from bmn.tracking.store import connect, no_answer, open_store

START = "bmn.start"  # tag of a run: a word that was written down before the run was made


def run_name(params: Params) -> str:
    """What tells this run from others: the data set, then each parameter that differs from its preset."""
    preset = "embedded" if params.data.source == "synthetic" else params.data.source
    changed = (f"{key.rpartition('.')[2]}={value}" for key, value in differences(params).items())
    return params.tracking.run_name or " ".join([preset, *changed])


def settings(params: Params, *groups: str) -> dict[str, Any]:
    """Whole groups of parameters, by dotted key."""
    return dict(flatten(params.model_dump(include=set(groups))))


@contextmanager
def training_run(params: Params, run_file: Path, subsets: Iterable[Subset]) -> Iterator[Outbox]:
    """The run of a training: a new one, or that of an earlier start of the same training.

    FINISHED at the end, KILLED when a signal stopped the training, FAILED on any other error. If MLflow goes away
    meanwhile, the training does not notice: what it has to tell waits in the outbox.

    Args:
        run_file: lives as long as the training's checkpoints; remembers which run is its.
        subsets: what it reads.

    Yields:
        What takes metrics, figures and checkpoints for the run.

    Raises:
        BmnError: MLflow does not answer at the start.
    """
    experiment = connect(params.tracking.experiment)
    try:
        outbox = Outbox(_run_of(run_file, experiment, run_name(params)))
    except MlflowException as error:
        raise no_answer(error) from error
    status, monitor = "FAILED", None
    try:
        # MLflow's parameters can never change; what may, when the training resumes, are tags.
        own = settings(params, "model", "train")
        shaping = {key: value for key, value in own.items() if key not in NEUTRAL_PARAMETERS}
        machine = {key: value for key, value in own.items() if key in NEUTRAL_PARAMETERS}
        outbox.about(shaping, settings(params, "data") | machine | origin())
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
        if monitor:
            monitor.finish()
        outbox.close(status)


def mark_failed(run_file: Path) -> None:
    """Mark the run of a training whose processes are gone as FAILED, unless they said how it ended.

    Args:
        run_file: where the training wrote the id of its run; it may not have come so far.
    """
    if run_file.exists():
        open_store()
        end_as_failed(read_json(run_file)["run_id"])


def find_run(client: MlflowClient, experiment: str, run_id: str | None, tag: str, value: str) -> str | None:
    """The run of an id, else one of an experiment that has a tag; None where there is neither, or it was deleted."""
    try:
        if run_id and client.get_run(run_id).info.lifecycle_stage == "active":
            return run_id
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    found = client.search_runs([experiment], f"tags.`{tag}` = '{value}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def _run_of(run_file: Path, experiment: str, name: str) -> str:
    """The run of a training. The file names its tag before it is made, so a kill in between leaves no second run."""
    known = read_json(run_file) if run_file.exists() else {}
    word = known.get("start") or uuid.uuid4().hex
    write_json(run_file, {**known, "start": word})
    client = MlflowClient()
    run_id = find_run(client, experiment, known.get("run_id"), START, word) or str(
        client.create_run(experiment, tags={START: word}, run_name=name).info.run_id
    )
    write_json(run_file, {"start": word, "run_id": run_id})
    return run_id


def origin() -> dict[str, str]:
    """Where the run comes from: who ran it, git commit and whether the tree differs from it, DVC's names and hashes."""
    tags = {key: value for key, value in resolve_tags().items() if key == "mlflow.user"}
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
