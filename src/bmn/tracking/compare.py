"""Compare runs: what differs between them, their metrics with intervals, curves; in the terminal and as a page.

The trials of a sweep have their own table; here they are compared only if named.
"""

import re
from dataclasses import dataclass

import mlflow
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Run

from bmn.base.errors import BmnError
from bmn.metrics.intervals import difference, intervals
from bmn.provenance import NEUTRAL_PARAMETERS
from bmn.report.figures import fill
from bmn.tracking.evaluations import evaluated_on, read_videos
from bmn.tracking.models import CHAMPION, champion_runs
from bmn.tracking.store import answering, store_uri

LAST = 10
METRICS = {f"evaluate/{name}": name.replace("_", "@") for name in ("AUC", "AR_1", "AR_5", "AR_10", "AR_100")} | {
    name: name for name in ("val/AUC", "val/loss")
}
CURVES = {
    "train/loss": ("training loss", "iteration"),
    "val/AUC": ("validation AUC in %", "iteration"),
    "evaluate/AR": ("AR in %", "average number of proposals per video"),
}
INTERVAL, DIFFERENCE = "AUC 95 %", "difference in AUC"
MOST = 1000  # runs with the same name
ID = re.compile("[0-9a-f]{4,32}")  # or the beginning of one, as the table shows it
COLOURS = [*(f"C{number}" for number in range(LAST)), "black"]
LABEL = 70  # characters
SETTINGS = ("data.", "train.", "proposals.", "evaluate.", "export.")  # tags of a run


@dataclass(frozen=True)
class Group:
    """Runs that were evaluated on the same data; others are not comparable with them.

    Attributes:
        title: names the data.
        runs: newest first.
        rows: one per run: id, status, parameters and settings that differ between the runs, metrics, the 95 % interval
            of the AUC and the difference to the reference with its own, name.
        reference: what the runs are compared with: the id of the champion, else of the best.
    """

    title: str
    runs: list[Run]
    rows: pd.DataFrame
    reference: str | None


@answering()
def choose(names: list[str], experiment: str) -> list[Run]:
    """The runs with these ids, beginnings of ids or names; without any, the last ten runs that are not trials of a
    sweep, and the champions.

    Raises:
        BmnError: a run does not exist, there are none, or MLflow does not respond.
    """
    client = MlflowClient()
    number = mlflow.get_experiment_by_name(experiment).experiment_id

    def search(condition: str, most: int) -> list[Run]:
        return list(client.search_runs([number], condition, order_by=["start_time DESC"], max_results=most))

    if names:
        chosen: dict[str, Run] = {}
        for name in names:
            quote = '"' if "'" in name else "'"
            found = search(f"attributes.run_name = {quote}{name}{quote}", MOST)
            if ID.fullmatch(name):
                found += search(f"attributes.run_id LIKE '{name}%'", MOST)
            if not found:
                raise BmnError(f"RUNS names {name!r}; the experiment {experiment} has no run with that id or name")
            chosen |= {run.info.run_id: run for run in found}
        return list(chosen.values())
    runs = search("tags.`optuna.study` IS NULL", LAST)
    if not runs:
        raise BmnError(f"the experiment {experiment} has no runs yet; run make repro")
    others = champion_runs() - {run.info.run_id for run in runs}
    older = [client.get_run(run_id) for run_id in sorted(others)]
    return runs + [run for run in older if run.info.experiment_id == number]


def differing(runs: list[Run]) -> list[dict[str, str]]:
    """For each run, the parameters and settings that differ between runs that have them; no checksums or paths."""
    values = [_values(run) for run in runs]
    names = sorted({name for found in values for name in found})
    different = [name for name in names if len({found[name] for found in values if name in found}) > 1]
    return [{name: _short(found.get(name, "")) for name in different} for found in values]


@answering()
def grouped(runs: list[Run]) -> list[Group]:
    """The runs by the data that they were evaluated on, in the order of each group's newest run.

    Raises:
        BmnError: MLflow does not respond.
    """
    champions = champion_runs()
    by_data: dict[str, list[Run]] = {}
    for run in runs:
        by_data.setdefault(evaluated_on(run), []).append(run)
    names = [data.rpartition(" (")[0] or data for data in by_data]
    titles = [
        name if names.count(name) == 1 else data for name, data in zip(names, by_data, strict=True)
    ]  # the digest only tells data of the same name apart
    return [_group(title, found, champions) for title, found in zip(titles, by_data.values(), strict=True)]


def _group(title: str, runs: list[Run], champions: set[str]) -> Group:
    client = MlflowClient()
    results = {run.info.run_id: found for run in runs if (found := read_videos(client, run))}
    reference = max(
        (run for run in runs if run.info.run_id in results),
        key=lambda run: (run.info.run_id in champions, run.data.metrics.get("evaluate/AUC", 0.0)),
        default=None,
    )
    rows = []
    for run, different in zip(runs, differing(runs), strict=True):
        metrics = {name: run.data.metrics[key] for key, name in METRICS.items() if key in run.data.metrics}
        row = {"id": run.info.run_id[:8], "status": run.info.status, **different}
        if reference and (own := results.get(run.info.run_id)):
            low, high = intervals(own)["AUC"]
            row["AUC"], row[INTERVAL] = metrics.pop("AUC", np.nan), f"{low:.2f} – {high:.2f}"
            row[DIFFERENCE] = "reference" if run is reference else str(difference(own, results[reference.info.run_id]))
        row |= metrics
        rows.append({**row, "run": f"{run.info.run_name}{f' ({CHAMPION})' if run.info.run_id in champions else ''}"})
    table = pd.DataFrame(rows)
    return Group(title, runs, table[_order(table)], reference.info.run_id[:8] if reference else None)


def _order(rows: pd.DataFrame) -> list[str]:
    """The columns, each kind together: what the run is, its settings, its figures, its name."""
    first, last = ["id", "status"], [*METRICS.values(), "run"]
    last[1:1] = [INTERVAL, DIFFERENCE]
    return [name for name in [*first, *(name for name in rows if name not in first + last), *last] if name in rows]


def text(groups: list[Group]) -> str:
    """A table for each group, for a terminal."""
    return "\n\n".join(f"on {group.title}:\n{_aligned(group.rows)}" for group in groups)


def _aligned(rows: pd.DataFrame) -> str:
    """Names can be long, so they come last, left-aligned."""
    width = max(map(len, ["run", *rows["run"]]))
    rows = rows.assign(run=rows["run"].str.ljust(width)).rename(columns={"run": "run".ljust(width)})
    shown = rows.to_string(index=False, na_rep="", float_format="{:.2f}".format)
    return "\n".join(line.rstrip() for line in shown.splitlines())


@answering()
def draw(runs: list[Run]) -> Figure:
    """Training loss and validation AUC over the iterations, and AR over AN.

    Raises:
        BmnError: MLflow does not respond.
    """
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


def page(groups: list[Group], figure: Figure) -> str:
    """Tables and figure as one self-contained HTML page; each run links to MLflow's UI."""
    server = store_uri() if store_uri().startswith("http") else "http://localhost:5000"
    runs = [run for group in groups for run in group.runs]
    shades = dict(zip((run.info.run_id for run in runs), colours(runs), strict=True))
    return fill(
        "comparison.html",
        title="Run comparison",
        groups=[
            {
                "title": group.title,
                "reference": group.reference,
                "rows": group.rows.to_dict("records"),
                "links": [
                    f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
                    f"?workflowType=machine_learning"
                    for run in group.runs
                ],
                "colours": [shades[run.info.run_id] for run in group.runs],
                "best": {
                    name: group.rows[name].min() if name.endswith("loss") else group.rows[name].max()
                    for name in METRICS.values()
                    if name in group.rows
                },
            }
            for group in groups
        ],
        curves=figure,
    )


def _values(run: Run) -> dict[str, str]:
    settings = {key: value for key, value in run.data.tags.items() if key.startswith(SETTINGS)}
    found: dict[str, str] = run.data.params | settings
    return {name: value for name, value in found.items() if name not in NEUTRAL_PARAMETERS and "sha256" not in name}


def _short(value: str) -> str:
    """Numbers rounded for reading; anything else unchanged."""
    try:
        return f"{float(value):.4g}" if "." in value else value
    except ValueError:
        return value
