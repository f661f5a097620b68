import hashlib
import json

import numpy as np
import paddle
import pytest

import bmn
from bmn.base.errors import BmnError
from bmn.base.schema import ExportParams
from bmn.export.export import export, largest_difference
from bmn.model.weights import load_network
from bmn.predict.predictor import Predictor

pytestmark = pytest.mark.xdist_group("inference")
PROGRAMS = ["BMN.pdmodel", "BMN.json"] if paddle.__version__ >= "3" else ["BMN.pdmodel"]


def test_every_format_is_written_and_shares_the_weights(exported):
    files = {path.name for path in exported.iterdir()}
    assert files == {*PROGRAMS, "BMN.onnx", "BMN.pdiparams", "classifier.npz", "manifest.json"}


def assert_same_maps(run, network, features):
    for batch in (1, 3, 5):
        wanted = network(paddle.to_tensor(features[:batch]))
        found = run(features[:batch])
        assert [array.shape for array in found] == [(batch, 2, 12, 16), (batch, 16), (batch, 16)]
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=5e-6)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_computes_what_the_network_does_for_any_batch(exported, model, weights, features, program):
    assert_same_maps(Predictor(exported / program).maps, load_network(model, weights), features)


def test_so_does_onnx_with_named_outputs(onnx_program, model, weights, features):
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_program, providers=["CPUExecutionProvider"])
    assert [(value.name, value.shape) for value in (*session.get_inputs(), *session.get_outputs())] == [
        ("feat_input", ["batch", 8, 16]),
        ("confidence_map", ["batch", 2, 12, 16]),
        ("start", ["batch", 16]),
        ("end", ["batch", 16]),
    ]
    assert_same_maps(Predictor(onnx_program).maps, load_network(model, weights), features)


def test_the_manifest_names_inputs_and_outputs_in_order(exported, weights):
    manifest = json.loads((exported / "manifest.json").read_text())
    assert [(entry["name"], entry["shape"]) for entry in manifest["inputs"]] == [("feat_input", ["batch", 8, 16])]
    assert [(entry["name"], entry["shape"]) for entry in manifest["outputs"]] == [
        ("confidence_map", ["batch", 2, 12, 16]),
        ("start", ["batch", 16]),
        ("end", ["batch", 16]),
    ]
    assert manifest["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_the_manifest_states_what_was_measured_and_what_was_exported(exported, model):
    manifest = json.loads((exported / "manifest.json").read_text())
    assert set(PROGRAMS) <= manifest["programs"].keys()
    for name, entry in manifest["programs"].items():
        assert entry["sha256"] == hashlib.sha256((exported / name).read_bytes()).hexdigest()
        assert 0 <= entry["largest_difference"] <= 1e-5
    assert manifest["model"] == model.model_dump()
    assert manifest["data"] == {"source": "random"}
    assert manifest["versions"]["bmn"] == bmn.__version__


def test_a_program_that_differs_is_not_exported(tmp_path, model, weights, features):
    strictest = ExportParams(tolerance=1e-30)
    with pytest.raises(BmnError, match=r"BMN\.(pdmodel|json|onnx): differs from the network by .* export\.tolerance"):
        export(model, weights, tmp_path / "export", features, strictest, {})
    assert list(tmp_path.iterdir()) == []


def test_a_difference_of_nan_is_never_allowed():
    numbers = (np.zeros(3), np.zeros(2))
    assert np.isnan(largest_difference(numbers, (np.zeros(3), np.array([0, np.nan]))))
    assert np.isnan(largest_difference((np.array([np.nan, 0, 0]), np.zeros(2)), numbers))


def test_weights_of_another_size_are_refused(tmp_path, model, weights, features):
    other = model.model_copy(update={"feat_dim": 16})
    with pytest.raises(BmnError, match=r"small\.pdparams: b_conv1\.weight has the shape"):
        export(other, weights, tmp_path / "export", features, ExportParams(), {})
    assert list(tmp_path.iterdir()) == []
