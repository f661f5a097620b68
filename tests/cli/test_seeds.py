"""Several seeds, in a small copy of the project with real DVC."""

import os
import re

import numpy as np
import pandas as pd
import pytest
from pipeline.project import make_project
from shell import bmn

from bmn.cli.seeds import summary

pytestmark = pytest.mark.xdist_group("seeds")


def test_mean_and_standard_deviation_of_a_sample():
    rows = summary(pd.DataFrame({"AUC": [60.0, 62.0, 67.0]}, index=["seed 1", "seed 2", "seed 3"]))
    assert list(rows.index) == ["seed 1", "seed 2", "seed 3", "mean", "standard deviation"]
    assert rows.loc["mean", "AUC"] == 63.0
    assert rows.loc["standard deviation", "AUC"] == pytest.approx(np.sqrt(13.0))


@pytest.mark.skipif("BMN_TEST_LONG" not in os.environ, reason="runs the pipeline twice; set BMN_TEST_LONG=1")
def test_two_seeds_train_outside_the_workspace_and_are_summarised(tmp_path):
    project = make_project(tmp_path / "project")
    project.set(train__epochs=1)
    project.run("git", "commit", "--quiet", "--all", "--message", "one epoch")
    printed = project.run("bmn", "seeds", "1,2").stdout
    rows = re.findall(r"^(seed 1|seed 2|mean|standard deviation) +([\d.]+) ", printed, re.M)
    figures = {name: float(value) for name, value in rows}
    assert figures["mean"] == pytest.approx((figures["seed 1"] + figures["seed 2"]) / 2, abs=0.011)
    assert figures["seed 1"] != figures["seed 2"]
    assert project.run("git", "status", "--porcelain", "--untracked-files=no").stdout == ""
    assert not (project.folder / "outputs").exists()


@pytest.mark.parametrize(
    ("given", "words"), [("1", "needs at least two seeds"), ("1,x", "should be integers separated by commas")]
)
def test_invalid_seeds_are_refused(tmp_path, given, words):
    done = bmn(tmp_path, "seeds", given)
    assert done.returncode == 2
    assert f"Invalid value for 'SEEDS': '{given}'" in done.stderr
    assert words in done.stderr
