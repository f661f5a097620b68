"""Logged models of a run: checkpoints and the inference model. Logging one again finds it instead of duplicating it."""

from collections.abc import Callable

from mlflow import MlflowClient
from mlflow.entities import Dataset, LoggedModel, LoggedModelOutput, LoggedModelStatus, Run

CONTENT = "content"  # tag of a logged model: checksum of what it was made from


def file_model(
    client: MlflowClient,
    run: Run,
    name: str,
    kind: str,
    content: str,
    step: int,
    fill: Callable[[LoggedModel], object],
) -> str:
    """Log a model as an output of a run; an existing one with the same content is completed or left alone.

    Args:
        kind: MLflow's type of the model.
        content: checksum of what the model was made from.
        step: number of training iterations.
        fill: uploads its files.

    Returns:
        The model's id.
    """
    found = client.search_logged_models(
        [run.info.experiment_id],
        f"source_run_id = '{run.info.run_id}' and name = '{name}' and tags.{CONTENT} = '{content}'",
    )
    model = next(iter(found), None) or client.create_logged_model(
        run.info.experiment_id, name, run.info.run_id, {CONTENT: content}, run.data.params, kind
    )
    if model.status != LoggedModelStatus.READY:
        fill(model)
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    if model.model_id not in {output.model_id for output in run.outputs.model_outputs}:
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step)])
    return str(model.model_id)


def validation_data(run: Run) -> Dataset | None:
    """The validation data of a training run; None if it logged none."""
    for entry in run.inputs.dataset_inputs:
        if any(tag.key == "mlflow.data.context" and tag.value == "validation" for tag in entry.tags):
            return entry.dataset
    return None
