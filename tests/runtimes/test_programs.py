"""Foreign programs: one that purely computes is opened, any other is refused before a runtime sees it."""

import json
import shutil

import numpy as np
import paddle
import pytest
from paddle.base.proto import framework_pb2

from bmn.base.errors import BmnError
from bmn.predict.predictor import Predictor
from bmn.runtimes.descriptions import describe
from bmn.runtimes.engines import open_engine
from bmn.runtimes.programs import find_program, is_as_exported, open_program, told

pytestmark = pytest.mark.xdist_group("inference")
FOREIGN = "only operators that purely compute are allowed"


@pytest.fixture
def foreign(tmp_path, exported):
    """The exported model without its manifest, like someone else's."""
    for file in exported.glob("BMN*"):
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", ["pdmodel", "json", "onnx"])
def test_the_bits_do_not_depend_on_the_number_of_threads(exported, onnx_program, form, monkeypatch):
    videos = np.random.default_rng(0).normal(size=(12, 1, 8, 16)).astype(np.float32)
    found = []
    for threads in (1, 2):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        program = open_engine(exported / f"BMN.{form}")
        found.append([map_.tobytes() for video in videos for map_ in program.run(video)])
    assert found[0] == found[1]


def edited(path, edit):
    """Change a ``.pdmodel`` using Paddle's own protobuf classes."""
    program = framework_pb2.ProgramDesc.FromString(path.read_bytes())
    edit(program)
    path.write_bytes(program.SerializeToString())


@pytest.mark.parametrize("form", ["pdmodel", "json", "onnx"])
def test_the_inputs_of_a_program_are_read_without_a_runtime(exported, onnx_program, form):
    assert describe(exported / f"BMN.{form}") == {"feat_input": (-1, 8, 16)}


def test_the_fastest_program_that_can_run_is_taken(exported, foreign):
    assert told(find_program(exported)) == f"{exported}/BMN.onnx in ONNX Runtime"
    assert find_program(exported, "gpu") == exported / "BMN.pdmodel"
    (foreign / "BMN.pdmodel").unlink()
    (foreign / "BMN.pdiparams").unlink()
    assert find_program(foreign, "gpu") == foreign / "BMN.onnx"


def test_a_folder_without_onnx_runs_in_paddle(foreign, features):
    (foreign / "BMN.onnx").unlink()
    predictor = Predictor(foreign)
    assert str(predictor) == f"{foreign}/BMN.pdmodel in Paddle Inference"
    assert predictor.maps(features)[0].shape == (5, 2, 12, 16)


@pytest.mark.parametrize("operator", ["save", "load", "save_combine", "py_func", "print", "while", "run_program"])
def test_a_pdmodel_with_another_operator_is_refused_and_writes_nothing(foreign, operator):
    def write_a_file(program):
        [block] = program.blocks
        relu = next(operation for operation in block.ops if operation.type == "relu")
        added = block.ops.add(type=operator)
        added.inputs.add(parameter="X", arguments=relu.inputs[0].arguments)
        added.attrs.add(name="file_path", type=framework_pb2.STRING, s=str(foreign / "written"))

    edited(foreign / "BMN.pdmodel", write_a_file)
    with pytest.raises(BmnError, match=rf"BMN\.pdmodel: uses {operator}; {FOREIGN}"):
        Predictor(foreign / "BMN.pdmodel")
    assert not (foreign / "written").exists()


def test_control_flow_in_a_pdmodel_is_refused(foreign):
    edited(foreign / "BMN.pdmodel", lambda program: program.blocks.add(idx=1, parent_idx=0))
    with pytest.raises(BmnError, match=r"BMN\.pdmodel: is not a \.pdmodel program, or is damaged"):
        describe(foreign / "BMN.pdmodel")


@pytest.mark.parametrize("operator", ["1.save_combine", "1.load_combine", "1.py_func", "1.if", "3.custom", "0.module"])
def test_a_json_with_another_operator_is_refused(foreign, operator):
    path = foreign / "BMN.json"
    path.write_text(path.read_text().replace('"1.relu"', f'"{operator}"', 1))
    with pytest.raises(BmnError, match=rf"BMN\.json: uses {operator.removeprefix('1.')}; {FOREIGN}"):
        Predictor(path)


def test_control_flow_in_a_json_is_refused(foreign):
    path = foreign / "BMN.json"
    program = json.loads(path.read_text())
    program["program"]["regions"][0]["blocks"][0]["ops"][-1]["regions"] = []
    path.write_text(json.dumps(program))
    with pytest.raises(BmnError, match="contains a nested block"):
        describe(path)


def _custom_domain(model, helper):
    model.graph.node[0].domain = "com.microsoft"


def _control_flow(model, helper):
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=model.graph, else_branch=model.graph))


def _function(model, helper):
    model.functions.add(name="Relu", domain="ours")


def _initializer_in_another_file(model, helper):
    _keep_elsewhere(model.graph.initializer.add(name="x", data_type=1, dims=[1]))


def _constant_in_another_file(model, helper):
    model.graph.node.append(helper.make_node("Constant", [], ["x"], value=helper.make_tensor("x", 1, [1], [0.0])))
    _keep_elsewhere(model.graph.node[-1].attribute[0].t)


def _keep_elsewhere(tensor):
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="/etc/passwd")


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (_custom_domain, rf"uses com\.microsoft\.\w+; {FOREIGN}"),
        (_control_flow, "If contains a nested graph"),
        (_function, "it defines functions"),
        (_initializer_in_another_file, "it stores weights in another file"),
        (_constant_in_another_file, "it stores weights in another file"),
    ],
)
def test_an_onnx_that_does_more_than_compute_is_refused(foreign, onnx_program, edit, sentence):
    import onnx

    path = foreign / "BMN.onnx"
    model = onnx.load(path)
    edit(model, onnx.helper)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BmnError, match=rf"BMN\.onnx: .*{sentence}"):
        Predictor(path)


def test_common_vision_networks_are_allowed(tmp_path):
    """In the format that this Paddle writes."""
    for network in (paddle.vision.models.mobilenet_v3_small(), paddle.vision.models.resnet18()):
        network.eval()
        paddle.jit.save(
            network, str(tmp_path / "n"), [paddle.static.InputSpec([None, 3, 224, 224], "float32", "image")]
        )
        [program] = [path for path in tmp_path.iterdir() if path.suffix in (".json", ".pdmodel")]
        assert describe(program) == {"image": (-1, 3, 224, 224)}


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff" * 99, b"{" * 100_000])
@pytest.mark.parametrize("form", ["pdmodel", "json", "onnx"])
def test_anything_else_is_refused_in_a_sentence(foreign, form, content):
    path = foreign / f"BMN.{form}"
    path.write_bytes(content)
    with pytest.raises(BmnError, match=rf"BMN\.{form}: is not a \.{form} program, or is damaged"):
        open_program(path)


@pytest.mark.usefixtures("uncovered")
def test_a_program_without_an_input_is_refused(foreign):
    def empty(program):
        del program.blocks[0].ops[:], program.blocks[0].vars[:]

    edited(foreign / "BMN.pdmodel", empty)
    with pytest.raises(BmnError, match=r"BMN\.pdmodel: takes no input; a BMN takes one input"):
        open_program(foreign / "BMN.pdmodel")


@pytest.mark.usefixtures("uncovered")
@pytest.mark.parametrize("form", ["pdmodel", "json"])
def test_weights_that_are_cut_short_end_in_a_sentence(foreign, form):
    weights = foreign / "BMN.pdiparams"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BmnError, match=rf"BMN\.{form}: (cannot be opened|crashes its runtime)"):
        open_program(foreign / f"BMN.{form}")


@pytest.mark.usefixtures("uncovered")
def test_a_program_that_computes_something_else_is_not_a_bmn(tmp_path):
    layer = paddle.nn.Conv1D(8, 3, 1)
    layer.eval()
    paddle.jit.save(layer, str(tmp_path / "BMN"), [paddle.static.InputSpec([None, 8, 16], "float32", "x")])
    [program] = [path for path in tmp_path.iterdir() if path.suffix in (".json", ".pdmodel")]
    with pytest.raises(BmnError, match=r"returns \[\[1, 3, 16\]\]; a BMN returns a confidence map"):
        open_program(program)


def test_a_manifest_vouches_for_a_program_and_its_weights(exported, foreign, features):
    assert is_as_exported(exported / "BMN.pdmodel")
    assert not is_as_exported(foreign / "BMN.pdmodel")
    alone, ours = open_program(foreign / "BMN.pdmodel"), open_program(exported / "BMN.pdmodel")
    for found, wanted in zip(alone.run(features), ours.run(features), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("damaged", ["BMN.pdmodel", "BMN.pdiparams"])
def test_what_differs_from_its_manifest_is_refused(exported, foreign, damaged):
    shutil.copy(exported / "manifest.json", foreign)
    with open(foreign / damaged, "ab") as file:
        file.write(b"\0")
    with pytest.raises(BmnError, match=rf"{damaged}: is damaged or was replaced: manifest\.json lists another"):
        Predictor(foreign / "BMN.pdmodel")


@pytest.mark.parametrize("overlap", ["1", 1, -0.5, float("nan"), True, []])
def test_an_invalid_overlap_is_refused(exported, foreign, overlap):
    manifest = json.loads((exported / "manifest.json").read_text())
    (foreign / "manifest.json").write_text(json.dumps(manifest | {"overlap": overlap}))
    with pytest.raises(BmnError, match=r"manifest\.json: overlap is"):
        Predictor(foreign)
