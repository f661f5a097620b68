"""``python -m benchmarks.options 1,2,3``: what each option of the recipe gains on real data, over seeds.

The data are the gestures of ``data/gestures``, so that two cores take minutes per option at half of their snippets a
second, and T, D and the samples of a proposal halved with it; or, with ``--own``, those that params.yaml names
(``dvc repro convert``). Trainings are kept under ``.cache/seeds``, so that the same command resumes, and options of
``proposals`` alone train nothing.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table import table
from bmn.acquire.features import find_features, read_features
from bmn.acquire.raw import Raw
from bmn.base.params import load_params
from bmn.base.schema import ExecutionParams, Params
from bmn.cli.seeds import summary
from bmn.conversion.convert import Choices, convert
from bmn.recipes.presets import preset_params
from bmn.training_jobs.folders import SEEDS
from bmn.training_jobs.trainings import train_seeds
from bmn.tuning.space import with_values

FOLDER = Path(".cache/options")
HALF = {"model.tscale": 32, "model.dscale": 24, "model.num_sample": 8}  # of the preset gestures
BASE = {"train.epochs": 8, "train.decay_iteration": 108, "proposals.boundary_exponent": 1.0}  # without its options
METRICS = ("AUC", "AR@10", "AR@100_short", "mAP")
OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "proposals.boundary_exponent: 0": {"proposals.boundary_exponent": 0.0},
    "proposals.voting_tiou: 0.95": {"proposals.voting_tiou": 0.95},
    "train.scale_invariant: true": {"train.scale_invariant": True},
    "train.base_weight_decay: 0.001": {"train.base_weight_decay": 1e-3},
    "train.clip_norm: 1": {"train.clip_norm": 1.0},
    "epochs, batch and decay as on ActivityNet": {
        "train.epochs": 9,
        "train.batch_size": 16,
        "train.decay_iteration": 4200,
    },
}
LONGER = "train.epochs and train.decay_iteration times 2"


def options(params: Params) -> dict[str, dict[str, Any]]:
    """The changes of each option, by dotted key."""
    longer = {"train.epochs": 2 * params.train.epochs, "train.decay_iteration": 2 * params.train.decay_iteration}
    together = {f"{LONGER}, proposals.boundary_exponent: 0": longer | {"proposals.boundary_exponent": 0.0}}
    return OPTIONS | {LONGER: longer} | together


def measure(params: Params, names: Sequence[str], seeds: list[int], data: Path) -> dict[str, pd.DataFrame]:
    """The metrics, in percent, of each option: a row per seed, then their mean and standard deviation."""
    found = {}
    for name in names:
        changed = with_values(params, options(params)[name], name)
        found[name] = summary(pd.DataFrame(train_seeds(changed, seeds, data, SEEDS)).T)
        print(f"{name}\n{found[name].to_string(float_format='{:.2f}'.format)}", flush=True)
    return found


def gestures(execution: ExecutionParams) -> tuple[Params, Path]:
    """The preset ``gestures`` at half of its snippets a second, and the folder of its converted data."""
    params = with_values(preset_params("gestures"), HALF | BASE, "gestures").model_copy(update={"execution": execution})
    data, model = params.data, params.model
    assert data.features is not None
    assert data.annotations is not None
    assert data.subsets is not None
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "features").mkdir(parents=True)
    for video, path in find_features(Path(data.features)).items():
        features = read_features(path, model.feat_dim)
        pairs = features[: len(features) // 2 * 2].reshape(-1, 2, model.feat_dim)
        np.save(FOLDER / "features" / f"{video}.npy", pairs.mean(axis=1))
    raw = Raw(FOLDER / "features", Path(data.annotations), Path(data.subsets))
    choices = Choices(model.feat_dim, model.tscale, length=data.length, overlap=data.overlap)
    convert(raw, FOLDER / "processed", choices, FOLDER / "work")
    return params, FOLDER / "processed"


def main() -> None:
    """Parse the arguments, train, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.options", description=__doc__)
    parser.add_argument("seeds", help="integers, as in 1,2,3")
    parser.add_argument("options", nargs="*", help="the options to measure; default: all")
    parser.add_argument("--own", action="store_true", help="the data in params.yaml instead of the gestures")
    arguments = parser.parse_args()
    own = load_params()
    params, data = (own, Path("data/processed")) if arguments.own else gestures(own.execution)
    names = arguments.options or list(options(params))
    if unknown := set(names) - options(params).keys():
        parser.error(f"no such option: {', '.join(sorted(unknown))}; there are {', '.join(options(params))}")
    found = measure(params, names, [int(seed) for seed in arguments.seeds.split(",")], data)
    metrics = [metric for metric in METRICS if metric in found[names[0]]]
    rows = [(name, *(_cell(figures[metric]) for metric in metrics)) for name, figures in found.items()]
    print(f"\n{table(('option', *metrics), rows)}")


def _cell(column: "pd.Series[float]") -> str:
    return f"{column['mean']:.2f} ± {column['standard deviation']:.2f}"


if __name__ == "__main__":
    main()
