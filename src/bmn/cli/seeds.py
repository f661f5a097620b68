"""``bmn seeds``: the same training from several seeds, and how much of a difference between two figures is chance."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd


def whole_numbers(context: click.Context, parameter: click.Parameter, given: str) -> list[int]:
    """Seeds, as a person writes them."""
    try:
        seeds = [int(seed) for seed in given.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{given!r}; whole numbers separated by commas are expected") from error
    if len(seeds) < 2:
        raise click.BadParameter(f"{given!r}; a standard deviation needs two seeds at least")
    return seeds


@click.command()
@click.argument("seeds", callback=whole_numbers)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON, an object a line of the table.")
@click.option("--data", type=Path, default="data/processed", help="Converted data.")
def main(seeds: list[int], as_json: bool, data: Path) -> None:
    """Train with several seeds, and tell what is chance.

    SEEDS are whole numbers, as in 1,2,3. Prints the figures of each, their mean and their standard deviation. The
    trainings are jobs (params.yaml, execution); one that was done before is not done again.
    """
    from contextlib import redirect_stdout

    from bmn.base.params import load_params

    params = load_params()
    import pandas as pd

    from bmn.tuning.trainings import train_seeds  # here, because MLflow takes seconds to import

    with redirect_stdout(sys.stderr):
        trained = train_seeds(params, seeds, data, Path(".cache/seeds"))
    figures = summary(pd.DataFrame(trained).T)
    print(figures.to_json(orient="index") if as_json else figures.to_string(float_format="{:.2f}".format))


def summary(figures: "pd.DataFrame") -> "pd.DataFrame":
    """Below the figures of the seeds their mean and their standard deviation (of a sample: divided by n − 1)."""
    import pandas as pd

    return pd.concat([figures, pd.DataFrame({"mean": figures.mean(), "standard deviation": figures.std(ddof=1)}).T])
