"""The one place that knows MLflow: where the store is, what a run is called, and what is filed under it.

A training is one run. ``train`` starts it and writes its id; ``evaluate`` and ``export`` reopen it by that id.
"""

import argparse
import fcntl
import json
import logging
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray
from ruamel.yaml import YAML

from bmn.commands import command
from bmn.config import Params, load_params
from bmn.errors import Stopped
from bmn.files import read_json
from bmn.params_file import differences, flatten

logging.getLogger("mlflow").setLevel(logging.WARNING)  # people read the stages' output

VIEW = "bmn"  # name of the shared view that the UI opens with
LOGGED_ONCE = ("data", "model", "train")  # what a training is made of: MLflow parameters
LOGGED_AGAIN = ("proposals", "evaluate", "export")  # may change on the same run: tags, which can be overwritten


def project_root() -> Path:
    """The project's folder; DVC's temporary copies of it (queued experiments) name the real one in DVC_ROOT."""
    return Path(os.environ.get("DVC_ROOT", Path.cwd())).resolve()


def store_uri() -> str:
    """Where runs are kept: MLFLOW_TRACKING_URI, or a database under the project's ``mlruns/``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlruns' / 'mlflow.db'}"


def connect(experiment: str) -> None:
    """Point MLflow at the store and the experiment, made at the first use."""
    folder = project_root() / "mlruns"
    local = "MLFLOW_TRACKING_URI" not in os.environ
    if local:
        folder.mkdir(exist_ok=True)
    mlflow.set_tracking_uri(store_uri())
    with _alone_in(folder) if local else nullcontext():
        if mlflow.get_experiment_by_name(experiment) is None:
            place = (folder / experiment).as_uri() if local else None
            mlflow.create_experiment(experiment, artifact_location=place, tags=_view())
        mlflow.set_experiment(experiment)


def view_url(server: str, experiment: str) -> str:
    """The address of the comparison of an experiment's runs in the UI of a server."""
    connect(experiment)
    number = mlflow.get_experiment_by_name(experiment).experiment_id
    return f"{server}/#/experiments/{number}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"


def _view() -> dict[str, str]:
    """Tags by which MLflow's UI shows an experiment: figures and losses as columns, the best AUC first."""
    names = [f"evaluate/{name}" for name in ("AUC", "AR_1", "AR_5", "AR_10", "AR_100")] + ["val/loss", "train/loss"]
    state = {
        "searchFilter": "",
        "orderByKey": "metrics.`evaluate/AUC`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [f"metrics.`{name}`" for name in names] + ["attributes.`Duration`"],
        "hideEmptyCharts": True,
    }
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps(state),
    }


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out: two that create MLflow's database at the same time break it."""
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_name(params: Params) -> str:
    """What tells this run from others: the data set, then each parameter that differs from its preset."""
    preset = "embedded" if params.data.source == "synthetic" else params.data.source
    changed = (f"{key.rpartition('.')[2]}={value}" for key, value in differences(params).items())
    return params.tracking.run_name or " ".join([preset, *changed])


@contextmanager
def training_run(params: Params, run_id: str | None) -> Iterator[str]:
    """Start the run of a training, or go on with ``run_id``.

    FINISHED at the end, KILLED when a signal stopped the training, FAILED on any other error.

    Yields:
        The run's id.
    """
    connect(params.tracking.experiment)
    name = run_name(params)
    with mlflow.start_run(
        run_id=run_id if run_id and _exists(run_id) else None, run_name=name, log_system_metrics=True
    ) as run:
        values = params.model_dump(include=set(LOGGED_ONCE), exclude={"train": {"devices"}})
        mlflow.log_params(dict(flatten(values)))
        mlflow.set_tags(dict(flatten(params.model_dump(include=set(LOGGED_AGAIN)))) | origin())
        try:
            yield run.info.run_id
        except Stopped:
            mlflow.end_run("KILLED")
            raise
        mlflow.flush_async_logging()


def mark_failed(run_file: Path) -> None:
    """Mark the run of a training whose processes are gone as FAILED, unless they did so themselves.

    Args:
        run_file: where the training wrote the id of its run; it may not have come so far.
    """
    if not run_file.exists():
        return
    mlflow.set_tracking_uri(store_uri())
    run_id = read_json(run_file)["run_id"]
    if mlflow.get_run(run_id).info.status == "RUNNING":
        MlflowClient().set_terminated(run_id, "FAILED")


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
        mlflow.flush_async_logging()


def _exists(run_id: str) -> bool:
    try:
        return bool(mlflow.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException:
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
    """Send metrics without waiting for the store; MLflow allows no ``@`` in a name, ``AR@100`` becomes ``AR_100``."""
    named = {name.replace("@", "_"): value for name, value in values.items()}
    mlflow.log_metrics(named, step=step, synchronous=False)


def log_figure(figure: Any, name: str) -> None:
    """File a figure under ``figures/``."""
    mlflow.log_figure(figure, f"figures/{name}")


def log_file(path: Path, folder: str) -> None:
    """File a file or a folder under a folder of the run's artifacts."""
    if path.is_dir():
        mlflow.log_artifacts(str(path), folder)
    else:
        mlflow.log_artifact(str(path), folder)


def log_inference_model(folder: Path, example: NDArray[np.float32], tscale: int, dscale: int) -> None:
    """File an exported model as one that ``mlflow models serve`` and ``mlflow.pyfunc.load_model`` take.

    It is kept as code and program; nothing in it is pickled.

    Args:
        folder: what :func:`bmn.inference.export.export` wrote.
        example: features ``[1, channel, snippet]``.
    """
    packages = ("mlflow", "numpy", _paddle_package())
    outputs = {"confidence_map": (-1, 2, dscale, tscale), "start": (-1, tscale), "end": (-1, tscale)}
    float32 = np.dtype(np.float32)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(float32, (-1, *example.shape[1:]))]),
        outputs=Schema([TensorSpec(float32, shape, name) for name, shape in outputs.items()]),
    )
    package = Path(__file__).parent
    mlflow.pyfunc.log_model(
        name="bmn",
        python_model=str(package / "inference" / "served.py"),
        artifacts={"program": str(folder)},
        code_paths=[str(package)],
        signature=signature,
        input_example=example,
        pip_requirements=[f"{name}=={version(name)}" for name in packages],
    )


def _paddle_package() -> str:
    """The name under which Paddle is installed here."""
    try:
        version("paddlepaddle")
    except PackageNotFoundError:
        return "paddlepaddle-gpu"
    return "paddlepaddle"


@command
def main() -> None:
    """Print where MLflow's UI on this machine compares the runs."""
    parser = argparse.ArgumentParser(prog="bmn.tracking", description=main.__doc__)
    parser.add_argument("port", type=int)
    print(view_url(f"http://localhost:{parser.parse_args().port}", load_params().tracking.experiment))


if __name__ == "__main__":
    main()
