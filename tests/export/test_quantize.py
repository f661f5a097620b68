"""Real conversions of a small network."""

import json

import numpy as np
import paddle
import pytest
from random_weights import write_random_weights

from bmn.base.errors import BmnError
from bmn.base.schema import ExportParams, ModelParams
from bmn.export.export import export, largest_difference
from bmn.export.quantize import quantize
from bmn.model.weights import load_network
from bmn.predict.predictor import Predictor
from bmn.runtimes.programs import open_program

pytestmark = pytest.mark.xdist_group("inference")
ALLOWED = {"float16": 0.005, "int8": 0.1}  # random weights are less forgiving than trained ones


@pytest.fixture(scope="module")
def model():
    """Large enough that 16 bits cannot number the rows of a video's table."""
    return ModelParams(feat_dim=8, tscale=72, dscale=64, num_sample=2, num_sample_perbin=1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory, model):
    return write_random_weights(tmp_path_factory.mktemp("weights") / "small.pdparams", model)


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(3).normal(size=(4, 8, 72)).astype(np.float32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, model, weights, features):
    folder = tmp_path_factory.mktemp("lowered") / "export"
    export(model, weights, folder, features, ExportParams(lower_precision=ALLOWED), {})
    return folder


@pytest.mark.parametrize("precision", ALLOWED)
def test_it_approximates_the_network_for_any_batch(exported, precision, model, weights, features):
    program = open_program(exported / f"BMN.{precision}.onnx")
    for batch in (1, 3, 4):
        wanted = [tensor.numpy() for tensor in load_network(model, weights)(paddle.to_tensor(features[:batch]))]
        found = program.run(features[:batch])
        assert [(array.shape, array.dtype) for array in found] == [(array.shape, np.float32) for array in wanted]
        assert largest_difference(wanted, found) <= ALLOWED[precision]


@pytest.mark.parametrize(("precision", "share"), [("float16", 0.9), ("int8", 0.6)])
def test_weights_are_converted_and_inputs_and_outputs_stay_float32(exported, precision, share):
    import onnx
    import onnxruntime

    program = exported / f"BMN.{precision}.onnx"
    session = onnxruntime.InferenceSession(program, providers=["CPUExecutionProvider"])
    assert [(value.name, value.type) for value in (*session.get_inputs(), *session.get_outputs())] == [
        (name, "tensor(float)") for name in ("feat_input", "confidence_map", "start", "end")
    ]
    wanted = {"float16": onnx.TensorProto.FLOAT16, "int8": onnx.TensorProto.INT8}[precision]
    held = [
        constant for constant in onnx.load(program).graph.initializer if constant.data_type != onnx.TensorProto.INT32
    ]
    converted = sum(np.prod(constant.dims) for constant in held if constant.data_type == wanted)
    assert converted > share * sum(np.prod(constant.dims) for constant in held)


@pytest.mark.parametrize("precision", ALLOWED)
def test_the_manifest_states_the_difference_from_the_network(exported, precision):
    manifest = json.loads((exported / "manifest.json").read_text())
    entry = manifest["programs"][f"BMN.{precision}.onnx"]
    assert 1e-5 < entry["largest_difference"] <= ALLOWED[precision]
    assert manifest["programs"]["BMN.onnx"]["largest_difference"] < 1e-5


def test_prediction_accepts_it_like_any_other(exported):
    video = np.random.default_rng(4).normal(size=(30, 8))
    best, expected = (Predictor(exported / name).propose(video, 60)[0] for name in ("BMN.float16.onnx", "BMN.onnx"))
    assert best["score"] == pytest.approx(expected["score"], abs=0.01)


def test_one_that_differs_too_much_is_not_exported(tmp_path, model, weights, features):
    strict = ExportParams(lower_precision={"int8": 1e-6})
    with pytest.raises(BmnError, match=r"BMN\.int8\.onnx: .*; export\.lower_precision\.int8 allows at most 1e-06"):
        export(model, weights, tmp_path / "export", features, strict, {})
    assert list(tmp_path.iterdir()) == []


def test_an_invalid_program_is_refused(tmp_path, exported):
    broken = tmp_path / "BMN.onnx"
    broken.write_bytes((exported / "BMN.onnx").read_bytes()[:100])
    with pytest.raises(BmnError, match=r"BMN\.int8\.onnx: could not be converted from BMN\.onnx, see above"):
        quantize(broken, tmp_path / "BMN.int8.onnx", "int8")
