"""Compare runs: what differs between them, their metrics and curves; in the terminal and as a page.

The trials of a sweep have their own table; here they are compared only if named.
"""

import mlflow
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Run

from bmn.base.errors import BmnError
from bmn.report.figures import fill
from bmn.tracking.logged_models import validation_data
from bmn.tracking.models import CHAMPION, DATA, champion_runs
from bmn.tracking.store import store_uri

LAST = 10
METRICS = {f"evaluate/{name}": name.replace("_", "@") for name in ("AUC", "AR_1", "AR_5", "AR_10", "AR_100")} | {
    name: name for name in ("val/AUC", "val/loss")
}
CURVES = {
    "train/loss": ("training loss", "iteration"),
    "val/AUC": ("validation AUC in %", "iteration"),
    "evaluate/AR": ("AR in %", "average number of proposals per video"),
}
COLOURS = [*(f"C{number}" for number in range(LAST)), "black"]
LABEL = 70  # characters
SETTINGS = ("data.", "train.", "proposals.", "evaluate.", "export.")  # tags of a run


def choose(names: list[str], experiment: str) -> list[Run]:
    """The runs with these ids or names; without any, the last ten runs that are not trials of a sweep, and the
    champions.

    Raises:
        BmnError: a run does not exist, or there are none.
    """
    number = mlflow.get_experiment_by_name(experiment).experiment_id
    runs = list(MlflowClient().search_runs([number], order_by=["start_time DESC"], max_results=1000))
    if names:
        chosen = [run for name in names for run in runs if name in (run.info.run_id, run.info.run_name)]
        known = {key for run in chosen for key in (run.info.run_id, run.info.run_name)}
        for name in names:
            if name not in known:
                raise BmnError(f"RUNS names {name!r}; the experiment {experiment} has no run with that id or name")
        return chosen
    runs = [run for run in runs if "optuna.study" not in run.data.tags]
    if not runs:
        raise BmnError(f"the experiment {experiment} has no runs yet; run make repro")
    champions = champion_runs()
    return runs[:LAST] + [run for run in runs[LAST:] if run.info.run_id in champions]


def differing(runs: list[Run]) -> list[dict[str, str]]:
    """For each run, the parameters, settings and validation data that are not the same in all runs."""
    values = [_values(run) for run in runs]
    names = sorted({name for found in values for name in found})
    different = [name for name in names if len({found.get(name) for found in values}) > 1]
    return [{name: _short(found.get(name, "")) for name in different} for found in values]


def table(runs: list[Run]) -> pd.DataFrame:
    """One row per run: id, status, parameters and settings that differ between the runs, metrics, name."""
    champions = champion_runs()
    return pd.DataFrame(
        [
            {
                "id": run.info.run_id[:8],
                "status": run.info.status,
                **different,
                **{name: run.data.metrics[key] for key, name in METRICS.items() if key in run.data.metrics},
                "run": f"{run.info.run_name}{f' ({CHAMPION})' if run.info.run_id in champions else ''}",
            }
            for run, different in zip(runs, differing(runs), strict=True)
        ]
    )


def text(rows: pd.DataFrame) -> str:
    """The table for a terminal; names can be long, so they come last, left-aligned."""
    width = max(map(len, ["run", *rows["run"]]))
    rows = rows.assign(run=rows["run"].str.ljust(width)).rename(columns={"run": "run".ljust(width)})
    shown = rows.to_string(index=False, na_rep="", float_format="{:.2f}".format)
    return "\n".join(line.rstrip() for line in shown.splitlines())


def draw(runs: list[Run]) -> Figure:
    """Training loss and validation AUC over the iterations, and AR over AN."""
    client = MlflowClient()
    figure = Figure(figsize=(11, 4), layout="constrained")
    labels = [
        " ".join([run.info.run_id[:8], *(f"{key.rpartition('.')[2]}={value}" for key, value in found.items())])[:LABEL]
        for run, found in zip(runs, differing(runs), strict=True)
    ]
    for axes, (metric, (title, name)) in zip(figure.subplots(1, len(CURVES)), CURVES.items(), strict=True):
        for number, (run, label, colour) in enumerate(zip(runs, labels, colours(runs), strict=True)):
            points = sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric))
            steps, values = [step for step, _ in points], [value for _, value in points]
            style, marker = ("-", "--")[number % 2], "o" if len(points) == 1 else ""
            # Dashed lines on top: where two runs coincide, both are visible.
            axes.plot(steps, values, style, marker=marker, color=colour, label=label, zorder=2 + number % 2)
        axes.set(title=title, xlabel=name)
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=2, frameon=False)
    return figure


def colours(runs: list[Run]) -> list[str]:
    """One colour per run, as ``#rrggbb``; they repeat when there are more runs than the default."""
    return [to_hex(COLOURS[number % len(COLOURS)]) for number in range(len(runs))]


def page(runs: list[Run], rows: pd.DataFrame, figure: Figure) -> str:
    """Table and figure as one self-contained HTML page; each run links to MLflow's UI."""
    server = store_uri() if store_uri().startswith("http") else "http://localhost:5000"
    links = [
        f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?workflowType=machine_learning"
        for run in runs
    ]
    figures = [name for name in METRICS.values() if name in rows]
    return fill(
        "comparison.html",
        title="Run comparison",
        rows=rows.to_dict("records"),
        links=links,
        colours=colours(runs),
        best={name: rows[name].min() if name.endswith("loss") else rows[name].max() for name in figures},
        curves=figure,
    )


def _values(run: Run) -> dict[str, str]:
    settings = {key: value for key, value in run.data.tags.items() if key.startswith(SETTINGS)}
    data = validation_data(run)
    found: dict[str, str] = run.data.params | settings | ({DATA: data.digest} if data else {})
    return found


def _short(value: str) -> str:
    """Numbers rounded for reading; anything else unchanged."""
    try:
        return f"{float(value):.4g}" if "." in value else value
    except ValueError:
        return value
