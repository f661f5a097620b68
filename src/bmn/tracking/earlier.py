"""The figures of earlier runs, to compare an evaluation with."""

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run

from bmn.tracking.models import CHAMPION, champion_run

PREFIX = "evaluate/"


def earlier_metrics(experiment: str, run_id: str) -> dict[str, dict[str, float]]:
    """The evaluations of the run before and of the champion: a title each → metrics (percent, under the names of
    ``metrics.json``); without those that there are not, and without the run itself.

    Args:
        run_id: the run that is evaluated now.
    """
    number = mlflow.get_experiment_by_name(experiment).experiment_id
    evaluated = f"metrics.`{PREFIX}AUC` >= 0"
    runs = MlflowClient().search_runs([number], evaluated, order_by=["start_time DESC"], max_results=1000)
    now = next((run.info.start_time for run in runs if run.info.run_id == run_id), float("inf"))
    others = [run for run in runs if run.info.run_id != run_id]
    before = [run for run in others if run.info.start_time <= now][:1]
    champion = [run for run in others if run.info.run_id == champion_run()]
    found = {f"the run before: {run.info.run_name}": _metrics(run) for run in before}
    return found | {f"the {CHAMPION}: {run.info.run_name}": _metrics(run) for run in champion}


def _metrics(run: Run) -> dict[str, float]:
    return {
        name.removeprefix(PREFIX).replace("AR_", "AR@").replace("mAP_", "mAP@"): value
        for name, value in run.data.metrics.items()
        if name.startswith(PREFIX)
    }
