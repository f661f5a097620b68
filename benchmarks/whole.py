"""The whole, not the step: an epoch of ActivityNet's size, and the pipeline from first command to last."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.child import ROOT
from benchmarks.forms import training_step
from benchmarks.recipe import BATCH, made_data
from benchmarks.table import Row, count, seconds
from benchmarks.timing import seconds_in_turns
from bmn.base.schema import TrainParams
from bmn.training.checkpoint import Checkpoints
from bmn.training.distributed import World
from bmn.training.loop import Position, Trainer

TRAINING, VALIDATION, EPOCHS = 9649, 4728, 9  # ActivityNet-1.3 in the published recipe
REPORTED = "PaddlePaddle/models reports 79 to 98 minutes for a training on one P40, 27 to 31 on four"


class _Timed(Trainer):
    """A trainer that keeps the seconds of its steps."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.steps: list[float] = []

    def _step(self, *given: Any) -> tuple[list[float], float, bool]:
        begin = time.perf_counter()
        result = super()._step(*given)
        self.steps.append(time.perf_counter() - begin)
        return result


class _Clock:
    """Notes when iterations and the epoch end."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def iteration(self, position: Position, metrics: dict[str, float]) -> None:
        self.ends.append(time.perf_counter())

    def epoch(self, row: dict[str, float]) -> None:
        self.ends.append(time.perf_counter())


def epoch(bench: Bench) -> Iterator[Row]:
    """Real training on made features, of which some steps and some validated videos are timed and scaled."""
    size, clock = bench.size, _Clock()
    steps = TRAINING // BATCH
    with tempfile.TemporaryDirectory() as name:
        training, validation = made_data(Path(name), size.model, (size.steps + 1) * BATCH, size.validated)
        trainer = _Timed(size.model, TrainParams(batch_size=BATCH, epochs=1), World(0, 1))
        trainer.fit(training, validation, Checkpoints(Path(name) / "checkpoints"), 60.0, clock)
    first, *_, last, end = clock.ends  # the first iteration warms up
    iteration = (last - first) / size.steps
    outside = iteration - statistics.mean(trainer.steps[1:])
    validated = (end - last) / size.validated
    whole = steps * iteration + VALIDATION * validated
    published = seconds_in_turns({"published": training_step(bench.network, "published", size.batch)}, 1, bench.wait)
    theirs = statistics.median(published["published"]) * TRAINING / size.batch
    scaled = f"{size.steps} steps of {BATCH} and {size.validated} validated videos timed, and scaled by the count"
    yield Row(
        f"an epoch of {count(TRAINING)} videos, {count(VALIDATION)} validated",
        _minutes(whole), f"{_minutes(theirs)}, steps alone", f"{theirs / whole:.3g} ×", how=scaled,
    )  # fmt: skip
    yield Row(f"{EPOCHS} such epochs", _minutes(EPOCHS * whole), _minutes(EPOCHS * theirs), how=REPORTED)
    yield Row("of the epoch: steps", _share(steps * (iteration - outside), whole), how="labels included")
    yield Row("of the epoch: waiting for data", _share(steps * outside, whole), how="reading, batching")
    yield Row("of the epoch: validation", _share(VALIDATION * validated, whole), how=f"{seconds(validated)} a video")


def _minutes(taken: float) -> str:
    return f"{taken / 60:.3g} min"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %"


def pipeline(bench: Bench) -> Iterator[Row]:
    """Every stage on the embedded data, in a fresh clone with this environment."""
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        shutil.rmtree(clone / ".dvc/cache", ignore_errors=True)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "PYTHONPATH": str(clone / "src")}
        begin = time.perf_counter()
        subprocess.run(["dvc", "repro"], cwd=clone, env=environment, stdout=sys.stderr, check=True)
        yield Row("dvc repro in a fresh clone", seconds(time.perf_counter() - begin), how="after make setup")
