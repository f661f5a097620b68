"""Proposal parameters fitted to weights that are there: written where they gain, and the sums shown."""

import re
from pathlib import Path

import paddle
import pytest
from ruamel.yaml import YAML

from bmn.base.errors import BmnError
from bmn.base.params import load_params
from bmn.base.schema import Dimension
from bmn.data.subset import open_subset
from bmn.model.network import BMN
from bmn.model.weights import load_network, write_weights
from bmn.recipes.edits import edit
from bmn.tuning.job import decode_all
from bmn.tuning.proposal_fit import fit_proposals
from bmn.tuning.proposal_search import Gain, cross_validate, search
from bmn.tuning.space import check_searched

pytestmark = pytest.mark.xdist_group("trial")


@pytest.fixture(scope="module")
def weights(params, tmp_path_factory):
    """A network that knows nothing: the proposals that suppress most find most."""
    paddle.seed(1)
    path = tmp_path_factory.mktemp("fit") / "best.pdparams"
    network = BMN(**params.model.model_dump())
    write_weights({name: tensor.numpy() for name, tensor in network.state_dict().items()}, path)
    return path


@pytest.fixture
def file(tmp_path, params):
    values = params.model_dump(include={"data", "model", "train", "tune"})
    YAML().dump(values | {"proposals": {"alpha": 1.0, "low_threshold": 0.8}}, tmp_path / "params.yaml")
    return tmp_path / "params.yaml"


def fit(file, processed, weights):
    return fit_proposals(load_params(file), processed, weights, file)


def test_what_gains_on_other_videos_is_written_and_the_sums_are_shown(file, processed, weights):
    params = load_params(file)
    printed = fit(file, processed, weights)
    decoded, _ = decode_all(load_network(params.model, weights), open_subset(processed, "validation"))
    space = check_searched(params)
    assert set(space) == {key for key in params.tune.space if key.startswith("proposals.")}
    gain = cross_validate(decoded, space, params.proposals, params.tune.evaluations)
    now, then, gained, needed = map(float, re.findall(r"(-?\d+\.\d\d)", printed)[:4])
    assert (now, then) == (round(gain.before, 2), round(gain.after, 2))
    assert (gained, needed) == (round(gain.after - gain.before, 2), round(2 * gain.error, 2))
    assert gained > needed
    assert ": significant" in printed
    assert "+  alpha: " in printed
    best, _ = search(decoded.auc, space, params.proposals, params.tune.evaluations)
    assert load_params(file).proposals == best != params.proposals

    fitted = file.read_bytes()
    printed = fit(file, processed, weights)  # again: nothing left to gain
    assert printed.endswith(f": not significant\n{file} is unchanged")
    assert file.read_bytes() == fitted


@pytest.mark.parametrize(("after", "expected"), [(61.01, True), (60.99, False), (59.0, False)])
def test_a_gain_must_exceed_two_standard_errors(after, expected):
    assert Gain(60.0, after, 0.5).significant == expected


def test_nothing_to_search_and_no_weights_are_told(file, processed, tmp_path):
    with pytest.raises(BmnError, match=r"missing\.pdparams: no such file"):
        fit(file, processed, tmp_path / "missing.pdparams")
    edit(file, {"tune.space": {"train.learning_rate": Dimension(low=1e-4, high=1e-2).model_dump()}})
    with pytest.raises(BmnError, match=r"tune.space varies nothing of proposals; name a key such as proposals\.alpha"):
        fit(file, processed, Path("any.pdparams"))
