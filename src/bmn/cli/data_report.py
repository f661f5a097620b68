"""``bmn data-report``: what the converted data look like, as a page, and filed in MLflow."""

from pathlib import Path

import click


@click.command()
@click.option("--data", type=Path, default="data/processed", help="Converted data.")
@click.option("--output", type=Path, default="outputs/data_report", help="Folder of the page and its figures.")
def main(data: Path, output: Path) -> None:
    """Show what the converted data look like, on a page.

    Counts, figures, what was mended, what a model can reach. The page is filed in MLflow too.
    """
    from bmn import tracking
    from bmn.base.params import load_params
    from bmn.report.data import write_data_report

    params = load_params()
    report = write_data_report(params, data, output)
    with tracking.data_run(params):
        for name, subset in report.subsets.items():
            facts = report.facts[name]
            counts = {"videos": facts.videos, "segments": facts.segments, "hours": facts.hours}
            tracking.log_dataset(subset.store.path, subset.store.sha256, params.data.source)
            tracking.log_metrics({f"{name}/{what}": value for what, value in counts.items()}, 0)
        tracking.log_metrics({"highest_AR": report.highest_recall}, 0)
        tracking.log_file(output, "data_report")
    grid = f"{params.model.tscale} x {params.model.dscale}"
    print(f"{output / 'report.html'}: the grid of {grid} allows an AR of {report.highest_recall:.1f} % at most")
