"""How long commands take to start, and a prediction of one file in all."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.bench import Bench
from benchmarks.child import ROOT
from benchmarks.forms import features
from benchmarks.programs import export_both
from benchmarks.table import Row, compared, seconds
from benchmarks.timing import compare
from bmn.cli import SECTIONS

BMN = (sys.executable, "-c", "from bmn.cli import main; main()")


def imports(bench: Bench) -> Iterator[Row]:
    """Import times in fresh processes, and a check of what bmn imports."""
    code = (
        "import json, sys, time; begin = time.perf_counter(); import {0}; seconds = time.perf_counter() - begin;"
        "print(json.dumps([seconds, [name for name in ('paddle', 'mlflow') if name in sys.modules]]))"
    )

    def imported(name: str) -> tuple[float, list[str]]:
        words = [sys.executable, "-c", code.format(name)]
        done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        taken, came_along = json.loads(done.stdout)
        return taken, came_along

    taken: dict[str, list[float]] = {"bmn": [], "paddle": []}
    for _ in range(bench.size.rounds):
        for name, times in taken.items():
            spent, came_along = imported(name)
            if name == "bmn" and came_along:
                raise RuntimeError(f"import bmn imports {' and '.join(came_along)}; it should not")
            times.append(spent)
    yield compared(
        "import bmn, against import paddle",
        seconds,
        compare(taken["bmn"], taken["paddle"]),
        "import bmn imports neither Paddle nor MLflow",
    )


def startup(bench: Bench) -> Iterator[Row]:
    """Each command up to its help, and the prediction of one file, each in a fresh process."""
    for name in (name for names in SECTIONS.values() for name in names):
        yield Row(f"bmn {name} --help", seconds(_median(bench, *BMN, name, "--help")), how="a fresh process")
    with tempfile.TemporaryDirectory() as folder:
        export_both(bench.size.model, Path(folder))
        np.save(f"{folder}/video.npy", features(bench.network, 1).numpy()[0].T)
        for file in ("BMN.onnx", "BMN.pdmodel"):
            words = (f"{folder}/video.npy", "--model", f"{folder}/ours/{file}", "--output", f"{folder}/found")
            taken = _median(bench, *BMN, "predict", *words)
            yield Row(f"bmn predict of one file, {file}", seconds(taken), how="a fresh process, imports included")


def _median(bench: Bench, *words: str) -> float:
    taken = []
    for _ in range(bench.size.rounds):
        begin = time.perf_counter()
        subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)
