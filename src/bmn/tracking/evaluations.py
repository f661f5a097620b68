"""Evaluations in MLflow: which run has which, and what it found in each video.

The first evaluation of a training is part of the training's run. Each other one, with other settings or on other
data, is a child run of its own, so that it overwrites nothing and can be compared.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Param, Run
from mlflow.exceptions import MlflowException

from bmn.data.subset import Subset
from bmn.metrics.intervals import VideoResults
from bmn.tracking.logged_models import validation_data
from bmn.tracking.runs import PARENT, START, find_run

OWN = "bmn.evaluation_of_its_own"  # tag of a training's run: the identity of the evaluation that is part of it
NEWEST = "bmn.newest_evaluation"  # tag of a training's run: the run of its newest evaluation
EVALUATED_ON = "bmn.evaluated_on"  # tag: the data, their digest in brackets; set once the files are there
INHERITED = ("data.", "train.", "git.", "mlflow.user")  # tags of the training that an evaluation's own run has, too
VIDEOS = "evaluation/videos.json"


def run_of_evaluation(client: MlflowClient, training: Run, settings: Mapping[str, Any], subset: Subset) -> Run:
    """The run of an evaluation, begun if it is new: the same settings and data have the same run.

    Args:
        settings: all that shape it, by dotted key.
        subset: what is evaluated on.
    """
    text = json.dumps([dict(settings), subset.digest], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    tags, number = training.data.tags, training.info.run_id
    if tags.get(OWN, key) == key:
        client.set_tag(number, OWN, key)
        return training
    token = f"{number} evaluation {key}"
    known = find_run(client, training.info.experiment_id, None, START, token)
    if known is None:
        different = [
            f"{name.rpartition('.')[2]}={value}" for name, value in settings.items() if tags.get(name) != str(value)
        ]
        inherited = {name: value for name, value in tags.items() if name.startswith(INHERITED)}
        known = client.create_run(
            training.info.experiment_id,
            run_name=" ".join(different) or f"data={subset.digest}",
            tags={**inherited, START: token, PARENT: number},
        ).info.run_id
    client.log_batch(known, params=[Param(name, value) for name, value in training.data.params.items()])
    return client.get_run(known)


def log_videos(client: MlflowClient, run_id: str, results: VideoResults) -> None:
    """Log what an evaluation found in each video."""
    found = {name: values.tolist() for name, values in results.found.items()}
    client.log_text(run_id, json.dumps({"segments": results.segments.tolist(), "found": found}), VIDEOS)


def read_videos(client: MlflowClient, run: Run) -> VideoResults | None:
    """What an evaluation found in each video; None if its run has none, or none that says so."""
    if EVALUATED_ON not in run.data.tags:
        return None
    with TemporaryDirectory() as folder:
        path = client.download_artifacts(run.info.run_id, VIDEOS, folder)
        given = json.loads(Path(path).read_text())
    found = {name: np.array(values, np.float64) for name, values in given["found"].items()}
    return VideoResults(np.array(given["segments"], np.intp), found)


def evaluated_on(run: Run) -> str:
    """The data that a run was evaluated on, else those that it was validated on: name, and digest in brackets."""
    data = validation_data(run)
    return str(run.data.tags.get(EVALUATED_ON) or (f"{data.name} ({data.digest})" if data else "unknown data"))


def evaluation_on(client: MlflowClient, run_id: str, data: str) -> VideoResults | None:
    """What a training's evaluation on some data found in each video: of the newest one, else of its own; or None.

    Args:
        data: their digest.
    """
    try:
        training = client.get_run(run_id)
        newest = client.get_run(training.data.tags.get(NEWEST, run_id))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # deleted for good
            raise
        return None
    for run in (newest, training):
        if evaluated_on(run).endswith(f"({data})") and (found := read_videos(client, run)):
            return found
    return None
