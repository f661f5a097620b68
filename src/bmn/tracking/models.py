"""Models in MLflow: the exported one as people load it, its versions, and which of them is the champion."""

import json
import warnings
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Object, Property
from numpy.typing import NDArray

REGISTERED, CHAMPION = "bmn", "champion"
VALIDATED = "val/AUC"  # its highest value is that of the weights that the training kept as best
SETTINGS = "proposals."  # tags of a run
DATA = "validation data"  # tag of a version: checksum of what it was validated on


def log_inference_model(
    folder: Path, example: NDArray[np.float32], duration: float, proposals: Mapping[str, float]
) -> None:
    """File an exported model as one that ``mlflow models serve`` and ``mlflow.pyfunc.load_model`` take.

    It is kept as code and program; nothing in it is pickled. It becomes a version of the registered model as well,
    and the champion where it is the best so far (:func:`promote`).

    Args:
        folder: what :func:`bmn.export.export.export` wrote.
        example: features ``[snippet, channel]`` of a video.
        duration: of that video, in seconds.
        proposals: the settings that it makes proposals with, of ``proposals.*`` in params.yaml.
    """
    packages = ("mlflow", "numpy", _paddle_package(), "setuptools")  # Paddle imports the last
    proposal = Object([Property("score", DataType.double), Property("segment", Array(DataType.double))])
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, -1, example.shape[1]))]),
        outputs=Schema([ColSpec(Array(proposal), "proposals")]),
        params=ParamSchema(
            [
                ParamSpec("durations", DataType.double, [], shape=(-1,)),
                ParamSpec("maps", DataType.boolean, False),
            ]
        ),
    )
    package = Path(__file__).parents[1]
    warnings.filterwarnings("ignore", message=".*Add type hints to the `predict`")  # the signature says more
    model = mlflow.pyfunc.log_model(
        name="bmn",
        python_model=str(package / "tracking" / "served.py"),
        artifacts={"program": str(folder)},
        model_config={"proposals": dict(proposals)},
        code_paths=[str(package)],
        signature=signature,
        input_example=(example[None], {"durations": [duration]}),
        pip_requirements=[f"{name}=={version(name)}" for name in packages],
    )
    promote(model.model_uri, mlflow.active_run().info.run_id)


def evaluated_settings(folder: Path) -> dict[str, float]:
    """The ``proposals.*`` that the run of a downloaded model was last evaluated with; empty where the store has none.

    Other settings are evaluated without another export: then the run knows them, and the model does not.
    """
    run_id = Model.load(folder).run_id
    try:
        tags = MlflowClient().get_run(run_id).data.tags if run_id else {}
    except MlflowException:  # a model of another store
        return {}
    return {key.removeprefix(SETTINGS): json.loads(value) for key, value in tags.items() if key.startswith(SETTINGS)}


def promote(model_uri: str, run_id: str) -> None:
    """Register a model, and let the alias ``champion`` point at it if it is better than the one that has it.

    Better is a higher validation AUC while training, on the very same validation data. Between models that were
    validated on different data nothing follows from the AUC, so the alias stays.

    Args:
        run_id: the run of its training.
    """
    client = MlflowClient()
    points = client.get_metric_history(run_id, VALIDATED)
    inputs = client.get_run(run_id).inputs.dataset_inputs
    data = [entry.dataset.digest for entry in inputs if entry.dataset.name.endswith(" validation")]
    if not points or not data:
        print(f"not registered: run {run_id} holds no validation (it was trained with another MLflow store)")
        return
    auc = max(point.value for point in points)
    number = mlflow.register_model(model_uri, REGISTERED, tags={VALIDATED: repr(auc), DATA: data[0]}).version
    champion = _champion(client)
    better = champion is None or (champion.tags[DATA] == data[0] and auc > float(champion.tags[VALIDATED]))
    if better:
        client.set_registered_model_alias(REGISTERED, CHAMPION, number)
    print(f"model {REGISTERED} version {number}, validation AUC {auc:.2f}: {_verdict(champion, better, data[0])}")


def champion_run() -> str | None:
    """The id of the run that the champion was trained in; None while there is no champion."""
    champion = _champion(MlflowClient())
    return champion.run_id if champion else None


def _champion(client: MlflowClient) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(REGISTERED, CHAMPION)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None


def _verdict(champion: ModelVersion | None, better: bool, data: str) -> str:
    if champion is None:
        return f"the first, so the {CHAMPION}"
    if better:
        return f"the {CHAMPION} now, before version {champion.version} ({float(champion.tags[VALIDATED]):.2f})"
    why = f"({float(champion.tags[VALIDATED]):.2f})" if champion.tags[DATA] == data else "(validated on other data)"
    return f"version {champion.version} {why} stays the {CHAMPION}"


def _paddle_package() -> str:
    """The name under which Paddle is installed here."""
    try:
        version("paddlepaddle")
    except PackageNotFoundError:
        return "paddlepaddle-gpu"
    return "paddlepaddle"
