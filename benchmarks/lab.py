"""``python -m benchmarks.lab 1000``: what many runs in the store cost, where ``make repro`` has made one.

The newest run of this project is copied so many times into the store of a temporary folder, metrics, parameters, tags
and results of videos included. ``bmn compare``, and the start and end of a training's run, are timed there and in a
copy of the project's own store. With ``--keep`` the folder stays, so that ``make ui`` can be looked at there.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from benchmarks.startup import BMN
from benchmarks.table import seconds, table
from bmn.base.params import load_params
from bmn.tracking.evaluations import NEWEST, VIDEOS
from bmn.tracking.runs import START

ROUNDS = 3
BATCH = 1000  # metrics that MLflow takes at once
COMPARE = (*BMN, "compare")
OWN = ("mlflow.runName", NEWEST, START)  # tags that belong to one run
BEGIN = """
import sys, time
from pathlib import Path
from bmn.base.params import load_params
from bmn.tracking import training_run
begin = time.perf_counter()
with training_run(load_params(), Path("run.json"), []):
    pass
Path("run.json").unlink()
print(time.perf_counter() - begin, file=sys.stderr)
"""


def multiply(store: str, experiment: str, count: int) -> None:
    """Copy the newest finished run of an experiment so many times, with the results of its videos."""
    client = MlflowClient(store)
    number = client.get_experiment_by_name(experiment).experiment_id
    [run, *_] = client.search_runs([number], "attributes.status = 'FINISHED'", max_results=1)
    metrics = [
        Metric(point.key, point.value, point.timestamp, point.step)
        for name in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, name)
    ]
    params = [Param(key, value) for key, value in run.data.params.items()]
    tags = [RunTag(key, value) for key, value in run.data.tags.items() if key not in OWN]
    with tempfile.TemporaryDirectory() as folder:
        videos = client.download_artifacts(run.info.run_id, VIDEOS, folder)
        for copy in range(count):
            made = client.create_run(number, run_name=f"{run.info.run_name} {copy}").info.run_id
            client.log_batch(made, params=params, tags=tags)
            for begin in range(0, len(metrics), BATCH):
                client.log_batch(made, metrics=metrics[begin : begin + BATCH])
            client.log_inputs(made, run.inputs.dataset_inputs)
            client.log_artifact(made, videos, str(Path(VIDEOS).parent))
            client.set_terminated(made)


def walls(folder: Path, *words: str) -> float:
    """The median wall time in seconds of a command in a folder."""
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def starts(folder: Path) -> float:
    """The median time in seconds that a training's run takes to begin and end."""
    command = [sys.executable, "-c", BEGIN]
    taken = [
        subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, text=True, check=True).stderr.split()[-1]
        for _ in range(ROUNDS)
    ]
    return statistics.median(map(float, taken))


def main() -> None:
    """Parse the arguments, fill a store, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab", description=__doc__)
    parser.add_argument("runs", type=int)
    parser.add_argument("--keep", type=Path, help="a new folder that gets the filled store")
    arguments = parser.parse_args()
    experiment = load_params().tracking.experiment
    with tempfile.TemporaryDirectory() as temporary:
        one, many = Path(temporary) / "one", arguments.keep or Path(temporary) / "many"
        for folder in (one, many):
            shutil.copytree("mlruns", folder / "mlruns")
            shutil.copy("params.yaml", folder)
        walls(many, *COMPARE)  # the paths in a store that was moved
        begin = time.perf_counter()
        multiply(f"sqlite:///{many.resolve()}/mlruns/mlflow.db", experiment, arguments.runs)
        print(f"{arguments.runs} copies in {time.perf_counter() - begin:.0f} s", file=sys.stderr)
        rows = [
            ("bmn compare", seconds(walls(one, *COMPARE)), seconds(walls(many, *COMPARE))),
            ("begin and end of a training's run", seconds(starts(one)), seconds(starts(many))),
        ]
        print(table(("", "runs as here", f"{arguments.runs} more"), rows))


if __name__ == "__main__":
    main()
