from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.base.errors import BmnError
from bmn.base.params import load_params, validate_params
from bmn.base.schema import Dimension
from bmn.recipes.presets import PRESETS, preset_params
from bmn.tuning.space import at, check_space, contains, digest, place_of, with_values

PARAMS = preset_params("embedded")
RATES = {"low": 1e-4, "high": 1e-2, "log": True}


def spaced(**space):
    dimensions = {key.replace("__", "."): value for key, value in space.items()}
    return validate_params(PARAMS.model_dump() | {"tune": {"space": dimensions}}, "params.yaml")


def test_the_shipped_space_is_sound():
    space = check_space(load_params(Path(__file__).parents[2] / "params.yaml"))
    assert {key.partition(".")[0] for key in space.trained} == {"model", "train"}
    assert space.searched.keys() == {f"proposals.{name}" for name in (
        "boundary_exponent", "regression_exponent", "classification_exponent",
        "alpha", "low_threshold", "high_threshold",
    )}  # fmt: skip
    assert space.defaults["model.num_sample"] == 32


@pytest.mark.parametrize("name", PRESETS)
def test_the_shipped_space_holds_every_preset(name):
    shipped = load_params(Path(__file__).parents[2] / "params.yaml").tune
    check_space(preset_params(name).model_copy(update={"tune": shipped}))


def test_ends_that_depend_on_one_another_are_checked_together():
    thresholds = {"low": {"low": 0.3, "high": 0.9}, "high": {"low": 0.5, "high": 1.0}}
    both = spaced(train__learning_rate=RATES, **{f"proposals__{key}_threshold": thresholds[key] for key in thresholds})
    check_space(with_values(both, {"proposals.low_threshold": 0.4, "proposals.high_threshold": 0.6}, ""))
    alone = spaced(train__learning_rate=RATES, proposals__low_threshold=thresholds["low"])
    with pytest.raises(BmnError, match=r"proposals.low_threshold reaches 0.9; .* should be at most .* \(0.6\)"):
        check_space(with_values(alone, {"proposals.low_threshold": 0.4, "proposals.high_threshold": 0.6}, ""))


@pytest.mark.parametrize(
    ("key", "dimension", "words"),
    [
        ("model__depth", {"low": 1, "high": 3}, "tune.space: model.depth is unknown"),
        ("train__seed", {"low": 1, "high": 3}, "train.seed cannot be varied: a lucky seed"),
        ("tracking__log_every", {"low": 1, "high": 30}, "tracking.log_every cannot be varied"),
        ("model__dscale", {"low": 50, "high": 120}, "reaches 120; model.dscale is 120; it should be at most"),
        ("model__num_sample", {"low": 0, "high": 32}, "model.num_sample reaches 0; model.num_sample is 0"),
        ("model__num_sample", {"low": 1.5, "high": 32}, "model.num_sample reaches 1.5"),
        ("model__num_sample", {"choices": [16, "many"]}, "model.num_sample reaches 'many'"),
        ("model__num_sample", {"low": 8, "high": 16}, "model.num_sample is 32 in params.yaml, outside"),
        ("train__learning_rate", {"choices": [0.1, 0.01]}, "train.learning_rate is 0.001 in params.yaml, outside"),
        ("proposals__alpha", {"low": 0.1, "high": 0.5}, "tune.space varies proposals.* only"),
    ],
)  # fmt: skip
def test_what_the_schema_forbids_is_refused_before_anything_runs(key, dimension, words):
    with pytest.raises(BmnError) as refused:
        check_space(spaced(**{key: dimension}))
    assert words in str(refused.value)
    assert str(refused.value).startswith("params.yaml: tune.space")


def test_a_current_value_of_0_is_outside_of_a_range_by_factors():
    space = {"train__weight_decay": {"low": 1e-5, "high": 1e-2, "log": True}}
    with pytest.raises(BmnError, match=r"train.weight_decay is 0.0 in params.yaml, outside its search space"):
        check_space(with_values(spaced(**space), {"train.weight_decay": 0.0}, ""))


@pytest.mark.parametrize(("tscale", "ends"), [(100, (50, 100)), (16, (8, 16)), (750, (375, 750))])
def test_the_shipped_space_follows_the_data(tscale, ends):
    shipped = load_params(Path(__file__).parents[2] / "params.yaml").model_dump()
    size = {"tscale": tscale, "dscale": tscale}
    params = validate_params(shipped | {"model": shipped["model"] | size}, "params.yaml")
    dimension = check_space(params).trained["model.dscale"]
    assert (dimension.low, dimension.high) == ends


def test_an_empty_space_is_refused():
    with pytest.raises(BmnError, match=r"tune.space is empty; name a key"):
        check_space(spaced())


def test_every_problem_is_named_at_once():
    with pytest.raises(BmnError) as refused:
        check_space(spaced(model__depth={"low": 1, "high": 2}, train__epochs={"low": 1, "high": 9}))
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("dimension", "words"),
    [
        ({"low": 2.0, "high": 1.0}, "low is 2.0; it should be below high"),
        ({"low": 1.0, "high": 1.0}, "below high"),
        ({"low": 0.0, "high": 1.0, "log": True}, "above 0"),
        ({"low": 1.0}, "high is missing"),
        ({}, "low is missing"),
        ({"choices": []}, "choices"),
        ({"choices": [1], "low": 1.0, "high": 2.0}, "keep one or the other"),
        ({"low": float("nan"), "high": 2.0}, "nan"),
        ({"low": 1.0, "hihg": 2.0}, "hihg is unknown"),
    ],
)
def test_a_dimension_that_is_none_is_refused(dimension, words):
    with pytest.raises(BmnError, match=words) as refused:
        spaced(train__learning_rate=dimension)
    assert "tune.space.train.learning_rate" in str(refused.value)


DIMENSIONS = [
    Dimension(low=0.1, high=3.0),
    Dimension(low=1e-4, high=1e-1, log=True),
    Dimension(choices=["a", "b", "c"]),
    Dimension(low=2.0, high=9.0).model_copy(update={"low": 2, "high": 9}),
]


@given(st.sampled_from(DIMENSIONS), st.floats(0, 1))
def test_every_place_has_a_value_within_and_every_value_a_place(dimension, place):
    value = at(dimension, place)
    assert isinstance(value, type(dimension.low)) or dimension.choices
    if dimension.choices or 0.001 < place < 0.999:  # the ends may round beyond
        assert contains(dimension, value)
        assert at(dimension, place_of(dimension, value)) == pytest.approx(value)


def test_values_are_short_enough_to_be_read():
    assert at(DIMENSIONS[0], 1 / 3) == 1.067


def test_places_are_spread_evenly_over_factors_where_log_is_true():
    values = [at(DIMENSIONS[1], place) for place in (0, 1 / 3, 2 / 3, 1)]
    np.testing.assert_allclose(values, [1e-4, 1e-3, 1e-2, 1e-1])


def test_values_are_set_by_dotted_key_and_checked():
    changed = with_values(PARAMS, {"train.loss_weights.tem": 2.0, "model.num_sample": 8}, "trial 1")
    assert (changed.train.loss_weights.tem, changed.model.num_sample) == (2.0, 8)
    assert changed.model.tscale == PARAMS.model.tscale
    with pytest.raises(BmnError, match=r"^trial 1: model.dscale is 400"):
        with_values(PARAMS, {"model.dscale": 400}, "trial 1")


def test_the_digest_tells_what_trials_must_share():
    space = {"model__num_sample": {"choices": [8, 32]}}
    one = spaced(**space)
    assert digest(one, "data") == digest(with_values(one, {"model.num_sample": 8}, ""), "data")  # as after tune-apply
    assert digest(one, "data") == digest(with_values(one, {"tune.trials": 99, "execution.devices": "cpu"}, ""), "data")
    assert digest(one, "data") != digest(with_values(one, {"train.batch_size": 4}, ""), "data")
    assert digest(one, "data") != digest(with_values(one, {"train.seed": 4}, ""), "data")
    assert digest(one, "data") != digest(spaced(model__num_sample={"choices": [8, 16, 32]}), "data")
    assert digest(one, "data") != digest(one, "other data")
