"""``bmn compare``: compare runs."""

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--output", type=Path, default="outputs/compare", help="Folder for the page and the figure.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON: a list with one object per run.")
def main(runs: tuple[str, ...], output: Path, as_json: bool) -> None:
    """Compare runs: a table, a figure, a self-contained page.

    Runs evaluated on the same data stand together, with 95 % intervals of their AUC and of its difference to the
    champion's (a bootstrap over videos). RUNS are ids or names; by default the last ten runs and the champions. Trials
    of a sweep have their own table and are included only if named.
    """
    import pandas as pd

    from bmn.base.files import atomic_file
    from bmn.base.params import load_params
    from bmn.tracking.compare import choose, draw, grouped, page, text
    from bmn.tracking.store import connect

    experiment = load_params().tracking.experiment
    connect(experiment)
    groups = grouped(choose(list(runs), experiment))
    figure = draw([run for group in groups for run in group.runs])
    with atomic_file(output / "curves.png") as temporary:
        figure.savefig(temporary, dpi=110)
    with atomic_file(output / "index.html") as temporary:
        temporary.write_text(page(groups, figure), encoding="utf-8")
    if as_json:
        rows = [{"data": group.title, **row} for group in groups for row in group.rows.to_dict("records")]
        print(pd.DataFrame(rows).to_json(orient="records"))
    else:
        print(text(groups))
        print(f"table and curves: {output / 'index.html'}; curves only: {output / 'curves.png'}")
