"""The one way to train, from Python."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import bmn
from bmn.base.errors import BmnError
from bmn.recipes.edits import edit
from bmn.training.loop import Trainer

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def project(tmp_path, processed, monkeypatch):
    shutil.copy(PARAMS, tmp_path)
    small = {"feat_dim": 8, "tscale": 16, "dscale": 12, "num_sample": 4, "num_sample_perbin": 2}
    recipe = {"train.epochs": 2, "train.batch_size": 4}
    machine = {"execution.checkpoint_minutes": 1e-6, "execution.devices": "cpu"}
    values = {f"model.{key}": value for key, value in small.items()} | recipe | machine
    edit(tmp_path / "params.yaml", values)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_an_interrupted_call_resumes_bit_for_bit(project, processed, monkeypatch):
    expected = bmn.train("params.yaml", processed, "uninterrupted")
    save, seen = Trainer._save, []

    def interrupt(self, checkpoints):
        save(self, checkpoints)
        seen.append(self.position.iteration)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bmn.train("params.yaml", processed, "checkpoints")
    monkeypatch.setattr(Trainer, "_save", save)
    found = bmn.train("params.yaml", processed, "checkpoints")
    assert seen == [1, 2]
    assert found.history == expected.history
    assert same(found.best, expected.best)
    assert same(found.last, expected.last)


def test_other_parameters_never_resume(project, processed):
    bmn.train("params.yaml", processed)
    edit(project / "params.yaml", {"train.learning_rate": 0.002})
    bmn.train("params.yaml", processed)
    folders = [path for path in (project / ".cache/train").iterdir() if path.is_dir()]
    assert len(folders) == 2


def test_data_that_are_not_there(project):
    with pytest.raises(BmnError, match=r"annotations\.json: no such file"):
        bmn.train("params.yaml", project / "nowhere")


@pytest.mark.parametrize("other", [{"model.feat_dim": 16}, {"model.tscale": 20}])
def test_data_for_a_network_of_other_sizes(project, processed, other):
    """Nobody has converted them since params.yaml changed."""
    edit(project / "params.yaml", other)
    [[name, value]] = other.items()
    with pytest.raises(
        BmnError, match=rf"have 8 channels and 16 snippets, but .*{name} (is )?{value}.*dvc repro convert"
    ):
        bmn.train("params.yaml", processed)
    assert not (project / ".cache/train").exists()
