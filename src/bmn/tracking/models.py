"""The exported model in MLflow: the inference model, its registered versions, and which of them are champions."""

import json
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Object, Property
from numpy.typing import NDArray

from bmn.base.checksums import sha256
from bmn.base.errors import BmnError
from bmn.provenance import PACKAGE, identity
from bmn.tracking.evaluations import NEWEST
from bmn.tracking.logged_models import file_model

REGISTERED, CHAMPION = "bmn", "champion"
VALIDATED = "val/AUC"  # its maximum is that of the best weights, which are exported
SETTINGS = "proposals."  # tags of a run
DATA = "validation data"  # tag of a version: digest of its validation data
SERVED = Path(__file__).with_name("served.py")
LOADER = "mlflow.pyfunc.loaders.code_model"  # of models whose code is a file
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # MLflow's errors about what a store does not have


def exported_content(folder: Path, proposals: Mapping[str, float]) -> str:
    """A checksum of everything that makes up a served model: programs, the code that runs them, proposal settings.

    Args:
        folder: what :func:`bmn.export.export.export` wrote.
    """
    files = [SERVED, *sorted(path for path in folder.rglob("*") if path.is_file())]
    return identity(PACKAGE / "predict" / "predictor.py", dict(proposals), map(sha256, files))


def log_inference_model(
    client: MlflowClient,
    run: Run,
    folder: Path,
    content: str,
    example: NDArray[np.float32],
    duration: float,
    proposals: Mapping[str, float],
) -> str:
    """Log an exported model for ``mlflow models serve`` and ``mlflow.pyfunc.load_model``.

    It is stored as code and program; nothing in it is pickled.

    Args:
        run: the training run.
        folder: what :func:`bmn.export.export.export` wrote.
        content: :func:`exported_content` of it.
        example: one video's features ``[snippet, channel]``.
        duration: of that video, in seconds.
        proposals: its settings, ``proposals.*`` in params.yaml.

    Returns:
        The id of the logged model.
    """
    packages = ("mlflow", "numpy", "onnxruntime")  # which runs BMN.onnx
    proposal = Object([Property("score", DataType.double), Property("segment", Array(DataType.double))])
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, -1, -1))]),  # the channels: see served.py
        outputs=Schema([ColSpec(Array(proposal), "proposals")]),
        params=ParamSchema(
            [
                ParamSpec("durations", DataType.double, [], shape=(-1,)),
                ParamSpec("maps", DataType.boolean, False),
                ParamSpec("labels", DataType.boolean, False),
            ]
        ),
    )

    def fill(model: LoggedModel) -> None:
        with tempfile.TemporaryDirectory() as place:
            mlflow.pyfunc.save_model(
                f"{place}/model",
                mlflow_model=Model(run_id=run.info.run_id, model_id=model.model_id),
                python_model=str(SERVED),
                artifacts={"program": str(folder)},
                model_config={"proposals": dict(proposals)},
                code_paths=[str(PACKAGE)],
                signature=signature,
                input_example=(example[None], {"durations": [duration]}),
                pip_requirements=[f"{name}=={version(name)}" for name in packages],
            )
            client.log_model_artifacts(model.model_id, f"{place}/model")

    return file_model(client, run, REGISTERED, "", content, 0, fill)


def evaluated_settings(folder: Path) -> dict[str, float | None]:
    """The ``proposals.*`` of the newest evaluation of a downloaded model's training; empty if the store has none.

    Evaluating other settings needs no new export, so the evaluation can be newer than the model here.

    Raises:
        MlflowException: the store does not respond.
    """
    run_id = Model.load(folder).run_id
    client = MlflowClient()
    try:
        tags = client.get_run(run_id).data.tags if run_id else {}
        tags = client.get_run(tags[NEWEST]).data.tags if NEWEST in tags else tags
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        return {}  # a model from another store
    given = {key.removeprefix(SETTINGS): value for key, value in tags.items() if key.startswith(SETTINGS)}
    return {key: None if value == "None" else json.loads(value) for key, value in given.items()}


def check_exported(address: str, folder: Path) -> None:
    """Check that a downloaded model is one that this pipeline exports: loading another one runs its code.

    Args:
        address: its MLflow URI.

    Raises:
        BmnError: it is another one.
    """
    flavor = Model.load(folder).flavors.get("python_function", {})
    found = flavor.get("loader_module"), Path(flavor.get("model_code_path") or "").name
    if found != (LOADER, SERVED.name):
        raise BmnError(
            f"{address}: is a model of {found[0] or 'another kind'} that this pipeline did not export, and loading it "
            "would run its code; name a model that make repro made"
        )


def served_name(address: str) -> str:
    """What a server calls its model: name and version of a registered one, else its MLflow URI.

    Args:
        address: its MLflow URI, of a model that exists.
    """
    name, _, chosen = address.removeprefix("models:/").partition("@")
    if chosen and address.startswith("models:/"):
        return f"{name}/{MlflowClient().get_model_version_by_alias(name, chosen).version}"
    return address.removeprefix("models:/")


def champion_of(data: str) -> ModelVersion | None:
    """The best version on some validation data, or None.

    Args:
        data: :attr:`bmn.data.subset.Subset.digest` of the validation subset.
    """
    try:
        return MlflowClient().get_model_version_by_alias(REGISTERED, alias(data))
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        return None


def champions() -> dict[str, str]:
    """The version of each champion, by its alias."""
    found = MlflowClient().search_registered_models(f"name = '{REGISTERED}'")
    aliases = {name: version for model in found for name, version in model.aliases.items()}
    return {name: version for name, version in sorted(aliases.items()) if name.startswith(alias(""))}


def champion_runs() -> set[str]:
    """The ids of the training runs of all champions."""
    client = MlflowClient()
    return {str(client.get_model_version(REGISTERED, number).run_id) for number in set(champions().values())}


def alias(data: str) -> str:
    """MLflow's alias of the champion of some validation data."""
    return f"{CHAMPION}-{data}"
