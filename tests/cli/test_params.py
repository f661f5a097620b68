"""``bmn use`` and ``bmn set``: what they write and refuse."""

import shutil

import numpy as np
import pytest
from shell import ROOT, bmn

from bmn.base.params import load_params
from bmn.recipes.presets import PRESETS


@pytest.fixture
def params(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path / "params.yaml"


def test_set_keeps_comments_and_prints_what_it_changed(params):
    done = bmn(params.parent, "set", "execution.devices=gpu:0,1", "proposals.alpha=0.5")
    assert done.returncode == 0, done.stderr
    changed = [line for line in done.stdout.splitlines() if line.startswith("+  ")]
    assert len(changed) == 2
    assert all("#" in line for line in changed)
    assert load_params(params).execution.devices == "gpu:0,1"
    assert load_params(params).proposals.alpha == 0.5


@pytest.mark.parametrize(
    ("edit", "code"), [("model.dscale=120", 1), ("model.depth=3", 1), ("train.epochs", 2), ("train.epochs=[", 2)]
)
def test_an_invalid_edit_changes_nothing(params, edit, code):
    before = params.read_text()
    done = bmn(params.parent, "set", edit, "train.seed=2")
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert edit.partition("=")[0] in done.stderr
    assert params.read_text() == before


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_named_in_the_help_and_can_be_used(params, preset):
    (params.parent / "data/clips").mkdir(parents=True)  # so that none are rendered
    assert preset in bmn(params.parent, "use", "--help").stdout
    assert bmn(params.parent, "use", preset).returncode == 0


def test_an_unknown_preset_is_refused_and_nothing_is_written(params):
    before = params.read_text()
    done = bmn(params.parent, "use", "thumos")
    assert done.returncode == 1
    assert done.stderr == f"error: PRESET is 'thumos'; it should be one of {', '.join(PRESETS)}, local\n"
    assert params.read_text() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["embedded", "--features", "mine"], "the preset embedded has its own data"),
        (["local", "--features", "mine"], "the preset local needs --annotations, and either --features or --videos"),
    ],
)
def test_own_data_belong_to_the_preset_local(params, words, sentence):
    before = params.read_text()
    done = bmn(params.parent, "use", *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert params.read_text() == before


def test_reset_writes_the_recipe_again(params):
    bmn(params.parent, "set", "train.epochs=7")
    assert "is already up to date" in bmn(params.parent, "use", "embedded").stdout
    assert load_params(params).train.epochs == 7
    assert bmn(params.parent, "use", "embedded", "--reset").returncode == 0
    assert load_params(params).train.epochs == 4


def test_own_data_determine_the_number_of_channels(params):
    mine = params.parent / "mine"
    (mine / "features").mkdir(parents=True)
    np.save(mine / "features/clip.npy", np.zeros((5, 12)))
    (mine / "segments.csv").write_text("video,start,end,label,subset,duration\nclip,1,2,wave,training,10\n")
    done = bmn(params.parent, "use", "local", "--features", "mine/features", "--annotations", "mine/segments.csv")
    assert done.returncode == 0, done.stderr
    assert load_params(params).model.feat_dim == 12
