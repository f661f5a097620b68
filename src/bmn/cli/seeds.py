"""``bmn seeds``: the same training with several seeds, to tell how much of a difference is chance."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bmn.base.errors import BmnError

if TYPE_CHECKING:
    import pandas as pd

METRICS = "outputs/evaluate/metrics.json"


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
def main(seeds: list[int], as_json: bool) -> None:
    """Train with several seeds and measure the variation.

    SEEDS are integers, as in 1,2,3. Prints the metrics of each, their mean and standard deviation. Each seed is a DVC
    experiment outside the workspace.
    """
    import pandas as pd

    if not Path("dvc.yaml").exists():
        raise BmnError("dvc.yaml: no such file; run from the project's folder")
    figures = summary(pd.DataFrame({f"seed {seed}": run_seed(seed) for seed in seeds}).T)
    print(figures.to_json(orient="index") if as_json else figures.to_string(float_format="{:.2f}".format))


def run_seed(seed: int) -> dict[str, Any]:
    """The metrics of a training with this seed.

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
    """The metrics of each seed, and below them their mean and sample standard deviation (n − 1)."""
    import pandas as pd

    return pd.concat([figures, pd.DataFrame({"mean": figures.mean(), "standard deviation": figures.std(ddof=1)}).T])
