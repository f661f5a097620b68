"""A project whose champion can be served, and its server as a real process."""

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from servers import free_port, wait_until_healthy
from shell import BMN
from tracking.subsets import results

from bmn import tracking
from bmn.base.params import validate_params
from bmn.data.subset import open_subset
from bmn.proposals import ProposalSettings
from bmn.tracking import models

SRC = Path(__file__).parents[2] / "src"
FILED = ProposalSettings(alpha=0.7, max_proposals=20)
EVALUATED = ProposalSettings(regression_exponent=0.5, classification_exponent=2.0, alpha=0.3, max_proposals=40)


@contextmanager
def filed_model(folder, exported, processed, features):
    """A project in ``folder`` with a training, its export and its evaluation; gives the model's address."""
    shutil.copytree(processed, folder / "data/processed")
    given = {"data": {"source": "synthetic"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", "")
        params = validate_params(given | {"proposals": FILED.model_dump()}, "params.yaml")
        validation = open_subset(Path("data/processed"), "validation")
        with tracking.training_run(params, Path("run.json"), [validation]) as run:
            run.metrics({"val/AUC": 61.25}, 1)
        tracking.log_export(params, run.run_id, exported, features[0].T, 12.5, {"BMN.json": 1.0})
        params = validate_params(given | {"proposals": EVALUATED.model_dump()}, "params.yaml")
        tracking.log_evaluation(params, run.run_id, validation, results(61.25), {"evaluate/AUC": 61.25}, {}, {})
        yield models.champion_of(validation.digest).source
    mlflow.set_tracking_uri(None)


def environment():
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return kept | {"PYTHONPATH": str(SRC)}


@contextmanager
def serving(folder, *words):
    """A server of the project's champion: what it printed, its port, and its process, which is ended at last.

    Its standard error is in ``stderr.txt``.
    """
    port = free_port()
    with open(folder / "stderr.txt", "w") as errors:
        process = subprocess.Popen(
            [BMN, "serve", "--port", str(port), *words],
            cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    try:
        printed = [process.stdout.readline(), process.stdout.readline()]
        wait_until_healthy(f"http://127.0.0.1:{port}/ping", process, folder / "stderr.txt")
        yield printed, port, process
    finally:
        process.terminate()
        process.wait()
