"""Runs side by side: what differs between them, what came of it, their curves; in the terminal and as a page.

``python -m bmn.tracking.compare [RUN ...]`` takes ids or names of runs, by default the last ten and the champion's.
"""

import argparse
import base64
import html
import io
from pathlib import Path

import mlflow
import pandas as pd
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Run

from bmn.commands import command
from bmn.config import load_params
from bmn.errors import BmnError
from bmn.files import whole_file
from bmn.tracking.models import CHAMPION, champion_run
from bmn.tracking.store import connect, store_uri

LAST = 10
METRICS = ("evaluate/AUC", "evaluate/AR_1", "evaluate/AR_5", "evaluate/AR_10", "evaluate/AR_100", "val/AUC", "val/loss")
CURVES = {
    "train/loss": ("training loss", "iteration"),
    "val/AUC": ("validation AUC in %", "iteration"),
    "evaluate/AR": ("AR in %", "average number of proposals a video"),
}
PLACE = Path("outputs/compare")
STYLE = """body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}img{max-width:100%}
td,th{border:1px solid #ccc;padding:.3em .6em;text-align:right}th{background:#f4f4f4}"""


def choose(names: list[str], experiment: str) -> list[Run]:
    """The runs of an experiment that are named by id or name; without names the last ten and the champion's.

    Raises:
        BmnError: there is no such run, or none at all.
    """
    number = mlflow.get_experiment_by_name(experiment).experiment_id
    runs = list(MlflowClient().search_runs([number], order_by=["start_time DESC"], max_results=1000))
    if names:
        chosen = [run for name in names for run in runs if name in (run.info.run_id, run.info.run_name)]
        known = {key for run in chosen for key in (run.info.run_id, run.info.run_name)}
        for name in names:
            if name not in known:
                raise BmnError(f"RUNS names {name!r}; the experiment {experiment} has no run of that id or name")
        return chosen
    if not runs:
        raise BmnError(f"the experiment {experiment} has no runs yet; make repro starts one")
    champion = champion_run()
    return runs[:LAST] + [run for run in runs[LAST:] if run.info.run_id == champion]


def table(runs: list[Run]) -> pd.DataFrame:
    """A row a run: its name and state, the parameters and settings in which the runs differ, their figures."""
    values = [run.data.params | {k: v for k, v in run.data.tags.items() if k.startswith("proposals.")} for run in runs]
    names = sorted({name for found in values for name in found})
    different = [name for name in names if len({found.get(name) for found in values}) > 1]
    champion = champion_run()
    return pd.DataFrame(
        [
            {
                "run": f"{run.info.run_name}{f' ({CHAMPION})' if run.info.run_id == champion else ''}",
                "id": run.info.run_id[:8],
                "status": run.info.status,
                **{name: found.get(name, "") for name in different},
                **{name: run.data.metrics[name] for name in METRICS if name in run.data.metrics},
            }
            for run, found in zip(runs, values, strict=True)
        ]
    )


def draw(runs: list[Run]) -> Figure:
    """Training loss and validation AUC over the iterations, and AR over AN."""
    client = MlflowClient()
    figure = Figure(figsize=(15, 4.5), layout="constrained")
    for axes, (metric, (title, label)) in zip(figure.subplots(1, len(CURVES)), CURVES.items(), strict=True):
        for run in runs:
            points = sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric))
            label_of_run = f"{run.info.run_name} {run.info.run_id[:8]}"
            axes.plot([step for step, _ in points], [value for _, value in points], label=label_of_run)
        axes.set(title=title, xlabel=label)
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=2)
    return figure


def page(runs: list[Run], rows: pd.DataFrame, figure: Figure) -> str:
    """Table and figure as one HTML page that needs no network; each id is a link into MLflow's UI."""
    server = store_uri() if store_uri().startswith("http") else "http://localhost:5000"
    links = [
        f'<a href="{html.escape(server)}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}">'
        f"{run.info.run_id[:8]}</a>"
        for run in runs
    ]
    escaped = rows.map(lambda value: html.escape(value) if isinstance(value, str) else value).assign(id=links)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    return (
        f"<!doctype html><meta charset=utf-8><title>BMN: runs compared</title><style>{STYLE}</style>"
        f"<h1>Runs compared</h1>{escaped.to_html(index=False, escape=False, na_rep='', float_format='{:.2f}'.format)}"
        f'<p><img alt="curves" src="data:image/png;base64,{base64.b64encode(image.getvalue()).decode()}">'
    )


@command
def main() -> None:
    """Compare runs."""
    parser = argparse.ArgumentParser(prog="bmn.tracking.compare", description=main.__doc__)
    parser.add_argument("runs", nargs="*", help="ids or names; by default the last ten and the champion's")
    experiment = load_params().tracking.experiment
    connect(experiment)
    runs = choose(parser.parse_args().runs, experiment)
    rows, figure = table(runs), draw(runs)
    print(rows.to_string(index=False, na_rep="", float_format="{:.2f}".format))
    with whole_file(PLACE / "curves.png") as temporary:
        figure.savefig(temporary, dpi=110)
    with whole_file(PLACE / "index.html") as temporary:
        temporary.write_text(page(runs, rows, figure), encoding="utf-8")
    print(f"{PLACE / 'index.html'}: the same with curves; {PLACE / 'curves.png'}: the curves alone")


if __name__ == "__main__":
    main()
