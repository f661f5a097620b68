"""``bmn seeds``: the same training with several seeds, to tell how much of a difference is chance."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd


def parse_seeds(context: click.Context, parameter: click.Parameter, given: str) -> list[int]:
    """Parse comma-separated seeds."""
    try:
        seeds = [int(seed) for seed in given.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{given!r}; it should be integers separated by commas") from error
    if len(seeds) < 2:
        raise click.BadParameter(f"{given!r}; a standard deviation needs at least two seeds")
    return seeds


@click.command()
@click.argument("seeds", callback=parse_seeds)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON: one object per row.")
@click.option("--data", type=Path, default="data/processed", help="Folder of the converted data.")
def main(seeds: list[int], as_json: bool, data: Path) -> None:
    """Train with several seeds and measure the variation.

    SEEDS are integers, as in 1,2,3. Prints the metrics of each, their mean and standard deviation. The trainings are
    jobs (see execution in params.yaml); one that is already done is not repeated.
    """
    from contextlib import redirect_stdout

    from bmn.base.params import load_params

    params = load_params()
    import pandas as pd

    from bmn.training_jobs.folders import SEEDS
    from bmn.training_jobs.trainings import train_seeds  # here, because MLflow takes seconds to import

    with redirect_stdout(sys.stderr):
        trained = train_seeds(params, seeds, data, SEEDS)
    figures = summary(pd.DataFrame(trained).T)
    print(figures.to_json(orient="index") if as_json else figures.to_string(float_format="{:.2f}".format))


def summary(figures: "pd.DataFrame") -> "pd.DataFrame":
    """The metrics of each seed, and below them their mean and sample standard deviation (n − 1)."""
    import pandas as pd

    return pd.concat([figures, pd.DataFrame({"mean": figures.mean(), "standard deviation": figures.std(ddof=1)}).T])
