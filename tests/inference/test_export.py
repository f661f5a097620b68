import hashlib
import json

import numpy as np
import paddle
import pytest

from bmn.errors import BmnError
from bmn.inference.export import export
from bmn.inference.predictor import Predictor
from bmn.weights import load_network

pytestmark = pytest.mark.xdist_group("inference")
PROGRAMS = ["BMN.pdmodel", "BMN.json"] if paddle.__version__ >= "3" else ["BMN.pdmodel"]


def test_every_form_of_program_is_there_and_shares_the_weights(exported):
    assert sorted(path.name for path in exported.iterdir()) == sorted([*PROGRAMS, "BMN.pdiparams", "card.json"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_computes_what_the_network_does_for_any_batch(exported, model, weights, features, program):
    network, predictor = load_network(model, weights), Predictor(exported / program)
    for batch in (1, 3, 5):
        wanted = network(paddle.to_tensor(features[:batch]))
        found = predictor.maps(features[:batch])
        assert [array.shape for array in found] == [(batch, 2, 12, 16), (batch, 16), (batch, 16)]
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-6)


def test_the_card_names_inputs_and_outputs_in_order(exported, weights):
    card = json.loads((exported / "card.json").read_text())
    assert [(entry["name"], entry["shape"]) for entry in card["inputs"]] == [("feat_input", ["batch", 8, 16])]
    assert [(entry["name"], entry["shape"]) for entry in card["outputs"]] == [
        ("confidence_map", ["batch", 2, 12, 16]),
        ("start", ["batch", 16]),
        ("end", ["batch", 16]),
    ]
    assert card["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_a_program_that_differs_is_not_let_out(tmp_path, model, weights, features):
    folder = tmp_path / "export"
    with pytest.raises(BmnError, match=r"BMN\.pdmodel: differs from the network by .* export\.tolerance"):
        export(model, weights, folder, features, tolerance=-1.0)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_size_are_refused_in_a_sentence(tmp_path, model, weights, features):
    other = model.model_copy(update={"feat_dim": 16})
    with pytest.raises(BmnError, match=r"small\.pdparams: b_conv1\.weight has the shape"):
        export(other, weights, tmp_path / "export", features, tolerance=1e-5)
    assert list(tmp_path.iterdir()) == []
