"""``bmn seeds``: the same training from several seeds, and how much of a difference between two figures is chance."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bmn.base.errors import BmnError

if TYPE_CHECKING:
    import pandas as pd

METRICS = "outputs/evaluate/metrics.json"


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
def main(seeds: list[int], as_json: bool) -> None:
    """Train with several seeds, and tell what is chance.

    SEEDS are whole numbers, as in 1,2,3. Prints the figures of each, their mean and their standard deviation. Each
    is an experiment of DVC, outside the workspace.
    """
    import pandas as pd

    if not Path("dvc.yaml").exists():
        raise BmnError("dvc.yaml: no such file; run from the project's folder")
    figures = summary(pd.DataFrame({f"seed {seed}": run_seed(seed) for seed in seeds}).T)
    print(figures.to_json(orient="index") if as_json else figures.to_string(float_format="{:.2f}".format))


def run_seed(seed: int) -> dict[str, Any]:
    """The evaluation of a training from a seed.

    Raises:
        BmnError: a stage failed; DVC has printed why.
    """
    name = f"seed-{seed}"
    words = ["dvc", "exp", "run", "--temp", "--force", "--name", name, "--set-param", f"train.seed={seed}", "evaluate"]
    if subprocess.run(words, check=False).returncode:
        raise BmnError(f"the experiment {name} failed")
    shown = subprocess.run(["dvc", "exp", "show", "--json"], capture_output=True, text=True, check=True)
    experiments = [found for commit in json.loads(shown.stdout) for found in commit["experiments"] or []]
    [newest] = [found["revs"][0] for found in experiments if found["name"] == name]
    return dict(newest["data"]["metrics"][METRICS]["data"])


def summary(figures: "pd.DataFrame") -> "pd.DataFrame":
    """Below the figures of the seeds their mean and their standard deviation (of a sample: divided by n − 1)."""
    import pandas as pd

    return pd.concat([figures, pd.DataFrame({"mean": figures.mean(), "standard deviation": figures.std(ddof=1)}).T])
