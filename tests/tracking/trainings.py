"""Finished training runs, each with a model."""

from mlflow import MlflowClient
from tracking.subsets import results, validation

from bmn import tracking
from bmn.base.params import validate_params
from bmn.tracking.champions import register
from bmn.tracking.logged_models import file_model


def trained(path, auc, on="data", **values):
    """Create an evaluated run with a validation AUC and a model; returns its id.

    Args:
        path: the run file.
        on: different words make different validation data.
        values: parameters, by group.
    """
    given = {"data": {"source": "synthetic"}, "train": {"seed": int(auc)}} | values
    params = validate_params(given, "params.yaml")
    with tracking.training_run(params, path, [validation(on)]) as run:
        for step, value in enumerate((auc - 5, auc, auc - 1)):
            run.metrics({"val/AUC": value, "train/loss": 1.0 / (step + 1)}, step)
    tracking.log_evaluation(
        params, run.run_id, validation(on), results(auc), {"evaluate/AUC": auc},
        {"evaluate/AR": ([1, 2, 3], [10.0, 20.0, 30.0])}, {},
    )  # fmt: skip
    client = MlflowClient()
    model = file_model(client, client.get_run(run.run_id), "bmn", "", str(auc), 0, lambda model: None)
    register(client, run.run_id, model)
    return run.run_id
