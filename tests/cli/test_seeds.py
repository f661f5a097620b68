"""Several seeds, each a real training."""

import json

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from shell import bmn

from bmn.cli.seeds import summary

pytestmark = pytest.mark.xdist_group("seeds")


def test_mean_and_standard_deviation_of_a_sample():
    rows = summary(pd.DataFrame({"AUC": [60.0, 62.0, 67.0]}, index=["seed 1", "seed 2", "seed 3"]))
    assert list(rows.index) == ["seed 1", "seed 2", "seed 3", "mean", "standard deviation"]
    assert rows.loc["mean", "AUC"] == 63.0
    assert rows.loc["standard deviation", "AUC"] == pytest.approx(np.sqrt(13.0))


def test_seeds_are_trained_once_and_summarized(tmp_path, processed, model, recipe):
    values = {"data": {"source": "synthetic"}, "model": model.model_dump(), "train": recipe.model_dump()}
    YAML().dump(values | {"execution": {"jobs": 2}}, tmp_path / "params.yaml")
    done = bmn(tmp_path, "seeds", "1,2", "--json", "--data", processed)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert list(rows) == ["seed 1", "seed 2", "mean", "standard deviation"]
    assert rows["mean"]["AUC"] == pytest.approx((rows["seed 1"]["AUC"] + rows["seed 2"]["AUC"]) / 2)
    assert rows["seed 1"] != rows["seed 2"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / ".cache/seeds").rglob("*.json")}
    again = bmn(tmp_path, "seeds", "1,2", "--json", "--data", processed)
    assert json.loads(again.stdout) == rows
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("given", "words"), [("1", "needs at least two seeds"), ("1,x", "should be integers separated by commas")]
)
def test_invalid_seeds_are_refused(tmp_path, given, words):
    done = bmn(tmp_path, "seeds", given)
    assert done.returncode == 2
    assert f"Invalid value for 'SEEDS': '{given}'" in done.stderr
    assert words in done.stderr
