"""``bmn data-report``: a page on the converted data, also logged to MLflow."""

from pathlib import Path

import click


@click.command()
@click.option("--data", type=Path, default="data/processed", help="Converted data.")
@click.option("--output", type=Path, default="outputs/data_report", help="Folder for the page and its figures.")
def main(data: Path, output: Path) -> None:
    """Show what the converted data look like.

    Writes a page with statistics, figures, repaired problems and the highest AR a model can reach, and logs it to
    MLflow.
    """
    from bmn import tracking
    from bmn.base.params import load_params
    from bmn.report.data import write_data_report

    params = load_params()
    report = write_data_report(params, data, output)
    counts = {
        f"{name}/{what}": value
        for name, facts in report.facts.items()
        for what, value in (("videos", facts.videos), ("segments", facts.segments), ("hours", facts.hours))
    }
    tracking.log_data_report(params, report.subsets.values(), {**counts, "highest_AR": report.highest_recall}, output)
    for sentence in report.warnings:
        print(f"warning: {sentence}")
    grid = f"{params.model.tscale} x {params.model.dscale}"
    print(f"{output / 'report.html'}: the {grid} grid allows an AR of at most {report.highest_recall:.1f}%")
