"""The benchmark as users run it, at sizes that say nothing about speed."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("bench")
ROOT = Path(__file__).parents[2]
COMPARED = [
    "training step",
    "training step, published form with Paddle's default settings",
    "forward",
    "BMN.pdmodel, latency",
    "BMN.pdmodel, throughput, batch 3",
    "peak memory added by a step, batch 2",
    "label maps, batch 2",
    "decode + Soft-NMS, 4 videos",
    "AR/AUC, 4 videos × 100 proposals",
    "network construction",
    "import bmn, against import paddle",
    "training step, T = D = 6, batch 1",
    "training step, T = D = 6, batch 2",
    "features of 2 videos, 32 pixels; loop: network on 1 threads",
]
LONG = "T = D = 16, batch 1, forward + backward"


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def lines(text):
    """The cells of every table row, by the first."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    return {row[0]: row[1:] for row in rows}


@pytest.fixture(scope="module")
def printed():
    done = run("--tiny", "--profile")
    assert done.returncode == 0, done.stderr
    return lines(done.stdout)


@pytest.mark.parametrize("what", COMPARED)
def test_compares(printed, what):
    _, published, ratio, *_ = printed[what]
    assert float(published.split()[0]) > 0
    number, sign = ratio.split()
    assert sign == "×"
    assert 0 < float(number) < math.inf


def test_measures_a_long_sequence_with_ours_only(printed):
    needed, published, ratio, *_ = printed[LONG]
    held, taken = needed.split(", ")
    assert float(held.split()[0]) > 0
    assert float(taken.split()[0]) > 0
    assert published == ratio == "–"


@pytest.mark.parametrize(
    "what", ["float32 matrix product", "products in a training step, per video", "measured / implied"]
)
def test_measures_the_machine(printed, what):
    [figure] = printed[what]
    assert 0 < float(figure.split()[0]) < math.inf


@pytest.mark.parametrize("choice", ["micro_batch_size 1", "clip_norm", "ema_decay"])
def test_measures_the_cost_of_recipe_options(printed, choice):
    time, ratio = printed[choice]
    assert float(time.split()[0]) > 0
    assert 0 < float(ratio.split()[0]) < math.inf


def test_profiles_both_forms(printed):
    assert "a training step, ours" in printed
    assert "a training step, published" in printed
    calls, _, share = printed["conv3d"]
    assert int(calls) == 1
    assert 0 < float(share.split()[0]) <= 100


def test_runs_only_the_rows_that_are_named():
    done = run("--tiny", "labels")
    assert done.returncode == 0, done.stderr
    assert list(lines(done.stdout))[2:] == ["label maps, batch 2"]


def test_measures_the_whole_and_its_growth_by_name():
    done = run("--tiny", "epoch", "growth")
    assert done.returncode == 0, done.stderr
    found = lines(done.stdout)
    shares = [
        float(found[f"of the epoch: {part}"][0].split()[0]) for part in ("steps", "waiting for data", "validation")
    ]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    for what in ("T = D", "batch"):
        assert math.isfinite(float(found[f"growth: exponent of time in {what}"][0]))


def test_refuses_an_unknown_row():
    done = run("--tiny", "speed")
    assert done.returncode == 2
    assert "no such row: speed" in done.stderr
