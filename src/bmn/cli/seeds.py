"""The same training from several seeds: how much of a difference between two figures is chance.

``python -m bmn.cli.seeds 1,2,3`` runs each as an experiment of DVC, outside the workspace, and prints mean and spread.
"""

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd

from bmn.base.errors import BmnError
from bmn.launch.command import command

METRICS = "outputs/evaluate/metrics.json"


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


def summary(figures: pd.DataFrame) -> pd.DataFrame:
    """Below the figures of the seeds their mean and their standard deviation (of a sample: divided by n − 1)."""
    return pd.concat([figures, pd.DataFrame({"mean": figures.mean(), "spread": figures.std(ddof=1)}).T])


@command
def main() -> None:
    """Train with several seeds and print mean and spread of the evaluation."""
    parser = argparse.ArgumentParser(prog="bmn.cli.seeds", description=main.__doc__)
    parser.add_argument("seeds", help="two or more, separated by commas")
    given = parser.parse_args().seeds
    try:
        seeds = [int(seed) for seed in given.split(",")]
    except ValueError as error:
        raise BmnError(f"SEEDS is {given!r}; whole numbers separated by commas are expected") from error
    if len(seeds) < 2:
        raise BmnError(f"SEEDS is {given!r}; a spread needs two seeds at least")
    if not Path("dvc.yaml").exists():
        raise BmnError("dvc.yaml: no such file; run from the project's folder")
    figures = pd.DataFrame({f"seed {seed}": run_seed(seed) for seed in seeds}).T
    print(summary(figures).to_string(float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
