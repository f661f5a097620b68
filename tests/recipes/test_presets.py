import shutil
from pathlib import Path

import pytest

from bmn.base.params import load_params
from bmn.recipes.edits import edit
from bmn.recipes.presets import PRESETS, differences, preset_params, use_preset

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def params(tmp_path):
    return Path(shutil.copy(PARAMS, tmp_path))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_the_recipe_and_keeps_machine_and_personal_settings(params, name):
    params.write_text(
        params.read_text().replace("devices: auto", "devices: cpu:2").replace("experiment: bmn", "experiment: mine")
    )
    (params.parent / "data/clips").mkdir(parents=True)  # so that none are rendered
    use_preset(name, params, reset=True)
    written = load_params(params)
    assert differences(written) == {}
    assert written.execution.devices == "cpu:2"
    assert written.tracking.experiment == "mine"


def test_a_preset_in_use_keeps_tuned_values_unless_reset(params):
    tuned = {"train.learning_rate": 0.002, "proposals.alpha": 0.3}
    edit(params, tuned)
    before = params.read_text()
    assert use_preset("embedded", params) == ""
    assert params.read_text() == before
    assert use_preset("embedded", params, reset=True) != ""
    assert differences(load_params(params)) == {}


def test_switching_there_and_back_restores_the_file(params):
    before = params.read_text()
    assert "source: activitynet" in use_preset("activitynet", params)
    assert "source: synthetic" in use_preset("embedded", params)
    assert params.read_text() == before


def test_the_shipped_params_are_the_embedded_preset():
    shipped, preset = load_params(PARAMS), preset_params("embedded")
    assert shipped.model_copy(update={"tune": preset.tune}) == preset


def test_the_activitynet_preset_is_the_published_recipe():
    params = preset_params("activitynet")
    assert (params.train.batch_size, params.train.epochs, params.train.decay_iteration) == (16, 9, 4200)
    assert (params.model.tscale, params.model.dscale, params.model.num_sample) == (100, 100, 32)


def test_differences_name_changed_parameters(params):
    params.write_text(params.read_text().replace("num_sample: 32", "num_sample: 16"))
    assert differences(load_params(params)) == {"model.num_sample": 16}
