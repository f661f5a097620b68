"""``python -m benchmarks.sweeps``: one sweep on two processes of this machine, and on a Ray cluster of two nodes.

Trials are tiny, so that nearly all the time is overhead; or with ``--train`` real, of a reduced data set ``embedded``.
It prints the wall time of each engine, with the start of the driver and the confirmation, and whether the trials agree:
the sampler is random, so that a trial's parameters do not depend on which others have ended. Needs
requirements-ray.txt, and two idle cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.child import ROOT
from benchmarks.table import table
from benchmarks.tiny import EPOCH
from bmn.acquire.raw import Raw
from bmn.acquire.synthetic import make_synthetic
from bmn.base.params import validate_params
from bmn.base.schema import Params
from bmn.conversion.convert import Choices, convert
from bmn.recipes.presets import preset_params
from bmn.tuning.space import with_values

JOBS = 2
SPACE = {"train.learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}
SMALL = {"model.feat_dim": 64, "model.tscale": 32, "model.dscale": 32, "model.num_sample": 8, "train.epochs": 4}
VIDEOS = {"training": 48, "validation": 16}
REAL = "bmn.tuning.job:trial"


def sweep(params: Params, entry: str, data: Path, folder: Path) -> tuple[float, list[dict[str, Any]]]:
    """Run a sweep in a new folder; returns the wall time of its driver, in seconds, and its trials."""
    folder.mkdir()
    begin = time.perf_counter()
    words = [sys.executable, "-m", "benchmarks.sweeps", "--driver", params.model_dump_json(), entry, str(data)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    environment = kept | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    subprocess.run(words, cwd=folder, env=environment, check=True)
    return time.perf_counter() - begin, json.loads((folder / "trials.json").read_text())


def drive(given: str, entry: str, data: str) -> None:
    """The driver of a sweep, in its working folder."""
    from bmn.tuning.driver import tune
    from bmn.tuning.study import find_study, rows

    params = validate_params(json.loads(given), "the benchmark")
    tune(params, None, Path(data), entry)
    Path("trials.json").write_text(json.dumps(rows(find_study(params))))


def differences(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[int]:
    """The trials whose parameters differ, or whose AUC does although they ended alike, after as many epochs."""
    return [
        a["number"]
        for a, b in zip(one, other, strict=True)
        if a["values"] != b["values"]
        or ((a["state"], a["epochs"]) == (b["state"], b["epochs"]) and a["AUC"] != b["AUC"])
    ]


def main() -> None:
    """Parse the arguments, run the sweeps, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__)
    parser.add_argument("--trials", type=int, default=50, help="default: 50")
    parser.add_argument("--train", action="store_true", help="trials that train")
    parser.add_argument("--driver", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.driver:
        drive(*arguments.driver)
        return
    from ray.cluster_utils import Cluster  # here, because Ray is optional

    tune = {"trials": arguments.trials, "sampler": "random", "space": SPACE, "confirm": {"top": 1, "seeds": 2}}
    small = with_values(preset_params("embedded"), SMALL, "the benchmark")
    walls, trials = {}, {}
    with tempfile.TemporaryDirectory() as made:
        folder, model = Path(made), small.model
        make_synthetic(folder / "raw", seed=7, videos=VIDEOS, feat_dim=model.feat_dim, tscale=model.tscale)
        raw = Raw(folder / "raw/features", folder / "raw/annotations.json")
        convert(raw, folder / "data", Choices(channels=model.feat_dim, tscale=model.tscale), folder / "work")
        node = {"num_cpus": 1, "include_dashboard": False}
        config = {"_system_config": {"worker_niceness": 0}}
        cluster = Cluster(initialize_head=True, head_node_args=node | config)
        cluster.add_node(**node)
        for engine, address in (("processes", None), ("ray", cluster.address)):
            execution = {"engine": engine, "address": address, "jobs": JOBS, "cpus": 1, "devices": "cpu"}
            params = validate_params(small.model_dump() | {"tune": tune, "execution": execution}, "the benchmark")
            entry = REAL if arguments.train else "benchmarks.tiny:trial"
            walls[engine], trials[engine] = sweep(params, entry, folder / "data", folder / engine)
        cluster.shutdown()
    confirmations = 4  # the best and the current parameters, twice each
    trainings = arguments.trials + confirmations
    lines = []
    for engine, wall in walls.items():
        best = max(trial["AUC"] for trial in trials[engine] if trial["state"] == "complete")
        pruned = sum(trial["state"] == "pruned" for trial in trials[engine])
        taken = JOBS * wall / trainings
        if not arguments.train:
            epochs = sum(trial["epochs"] or small.train.epochs for trial in trials[engine])
            taken -= EPOCH * (epochs + confirmations * small.train.epochs) / trainings
        lines.append((engine, f"{wall:.0f} s", f"{taken:.2f} s", f"{best:.2f}", str(pruned)))
    what = "a trial" if arguments.train else "a trial beyond its training"
    print("\n" + table(("engine", "wall", f"{what}, {JOBS} at once", "best AUC", "pruned"), lines))
    wrong = differences(*trials.values())
    print(f"\nRay / processes: {walls['ray'] / walls['processes']:.2f} ×; trials that differ: {wrong or 'none'}")


if __name__ == "__main__":
    main()
