import copy
import re
from itertools import pairwise
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bmn.base.errors import BmnError
from bmn.base.params import check_unchanged, flatten, load_params, validate_params

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def values():
    return YAML(typ="safe").load(PARAMS)


def changed(values, dotted, value):
    values = copy.deepcopy(values)
    *groups, key = dotted.split(".")
    group = values
    for name in groups:
        group = group[name]
    group[key] = value
    return values


def test_the_shipped_params_are_valid():
    load_params(PARAMS)


def test_every_line_of_params_has_a_comment():
    lines = PARAMS.read_text().splitlines()
    bare = [
        line
        for above, line in pairwise(lines)
        if line.startswith("  ") and "#" not in line and not above.strip().startswith("#")
    ]
    assert bare == []


def test_params_holds_every_choice(values):
    assert dict(flatten(values)).keys() == dict(flatten(load_params(PARAMS).model_dump())).keys()


@pytest.mark.parametrize(
    ("dotted", "value", "words"),
    [
        ("model.dscale", 120, ["model.dscale is 120", "at most model.tscale (100)"]),
        ("model.tscale", "100", ["model.tscale is '100'", "valid integer"]),
        ("model.tscale", 100.5, ["model.tscale is 100.5", "valid integer"]),
        ("model.feat_dim", 402, ["model.feat_dim is 402", "multiple of 4"]),
        ("model.num_sample", 0, ["model.num_sample is 0", "greater than or equal to 1"]),
        ("train.devices", "cpu", ["train.devices is unknown; it is execution.devices now, so move it there"]),
        ("train.accumulation", 0.1, ["train.accumulation is unknown; remove it; train.micro_batch_size"]),
        ("model.num_samples", 32, ["model.num_samples is unknown; did you mean num_sample?"]),
        ("model.prop_boundary_ratio", -0.5, ["model.prop_boundary_ratio is -0.5"]),
        ("train.learning_rate", "1e-3", ["train.learning_rate is '1e-3'", "valid number"]),
        ("train.learning_rate", float("nan"), ["train.learning_rate is nan"]),
        ("train.epochs", True, ["train.epochs is True"]),
        ("execution.devices", "tpu", ["execution.devices is 'tpu'", "auto, cpu"]),
        ("train.loss_weights.pem_reg", -1.0, ["train.loss_weights.pem_reg is -1.0"]),
        ("proposals.low_threshold", 0.95, ["proposals.low_threshold is 0.95", "proposals.high_threshold (0.9)"]),
        ("proposals.alpha", 0.0, ["proposals.alpha is 0.0"]),
        ("proposals.regression_exponent", -1.0, ["proposals.regression_exponent is -1.0", "or equal to 0"]),
        ("proposals.boundary_exponent", float("inf"), ["proposals.boundary_exponent is inf"]),
        ("evaluate.subset", "val", ["evaluate.subset is 'val'", "'training', 'validation' or 'testing'"]),
        ("data.source", "local", ["data.features is null", "data.source local"]),
        ("export.lower_precision", {"int4": 0.1}, ["export.lower_precision.int4 is 'int4'", "'float16' or 'int8'"]),
        ("train", 3, ["train is 3", "group of keys"]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_is_allowed(values, dotted, value, words):
    with pytest.raises(BmnError) as caught:
        validate_params(changed(values, dotted, value), "params.yaml")
    sentence = str(caught.value)
    assert sentence.startswith("params.yaml: ")
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def test_a_score_of_nothing_is_refused(values):
    for part in ("boundary", "regression", "classification"):
        values = changed(values, f"proposals.{part}_exponent", 0.0)
    with pytest.raises(BmnError, match=r"boundary_exponent is 0, and so are .* at least one must be above 0"):
        validate_params(values, "params.yaml")


def test_a_missing_source_is_named(values):
    del values["data"]["source"]
    with pytest.raises(BmnError, match=r"data\.source is missing"):
        validate_params(values, "params.yaml")


def test_a_missing_key_has_the_published_value(values):
    del values["train"]["epochs"]
    assert validate_params(values, "params.yaml").train.epochs == 9


def test_each_problem_has_its_line(values):
    values = changed(changed(values, "train.epochs", 0), "model.tscale", "x")
    with pytest.raises(BmnError) as caught:
        validate_params(values, "params.yaml")
    assert len(str(caught.value).splitlines()) == 2


def test_of_many_problems_the_first_are_named(values):
    wrong = values | {f"{number}{'x' * 5000}": 1 for number in range(50)}
    with pytest.raises(BmnError, match=r"params\.yaml: 40 more problems; correct these first$") as caught:
        validate_params(wrong, "params.yaml")
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "a: b: c"])
def test_a_file_that_is_no_mapping_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(BmnError, match=r"params\.yaml: "):
        load_params(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BmnError, match=r"nowhere\.yaml: cannot be read"):
        load_params(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "data: " + "[" * 100_000,
        "data: " + "{a: " * 3000,
        "train: {epochs: " + "9" * 5000 + "}",
        "train: {epochs: 0x" + "f" * 5000 + "}",
        "train: {epochs: 2001-99-99}",
        "train: {epochs: !!int abc}",
        'data: {features: "a\\0"}',
        'data: {features: "\\ud800"}',
        "x0: &x0 [a, a]\n" + "".join(f"x{n + 1}: &x{n + 1} [*x{n}, *x{n}]\n" for n in range(60)) + "data: *x60",
        PARAMS.read_text().encode("utf-16"),
        "# " + "x" * 2**20,
    ],
    ids=["lists", "groups", "digits", "hex", "date", "tag", "NUL", "surrogate", "aliases", "UTF-16", "long"],
)
def test_a_hostile_file_is_refused_in_one_short_sentence(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BmnError, match=r"params\.yaml: (is not YAML|uses an alias|has \d+ bytes)") as caught:
        load_params(path)
    assert len(str(caught.value)) < 500
    assert len(str(caught.value).splitlines()) == 1


def test_a_wrong_value_is_shown_in_short(values):
    with pytest.raises(BmnError) as caught:
        validate_params(changed(values, "train.epochs", "9" * 10_000), "params.yaml")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("train.lerning_rate", "did you mean learning_rate?"),
        ("trian", "did you mean train?"),
        ("train.zzz", "remove it"),
    ],
)
def test_an_unknown_key_that_is_nearly_one_is_recognized(key, sentence):
    values: dict = {"data": {"source": "synthetic"}}
    *groups, name = key.split(".")
    for group in groups:
        values = values | {group: {name: 1}}
    with pytest.raises(BmnError, match=re.escape(sentence)):
        validate_params(values if groups else values | {name: {}}, "params.yaml")


@pytest.mark.parametrize(
    ("dotted", "value", "was"),
    [
        ("train.epochs", 9, "4"),
        ("train.loss_weights.tem", 2.0, "1.0"),
        ("export.lower_precision", {"int8": 0.1}, "None"),
    ],
)
def test_a_parameter_that_changed_since_a_stage_began_is_named(values, tmp_path, dotted, value, was):
    before, path = load_params(PARAMS), tmp_path / "params.yaml"
    YAML(typ="safe").dump(changed(values, dotted, value), path)
    check_unchanged(before, "model", "train.batch_size", path=path)
    with pytest.raises(BmnError, match=rf"^{re.escape(str(path))}: {dotted}[.int8]* was {was} when this stage began"):
        check_unchanged(before, "model", "train", "export", path=path)
