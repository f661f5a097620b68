"""``bmn predict``."""

import ast
import csv
import json
import os
import re
import signal
import subprocess

import golden
import numpy as np
import pytest
from ruamel.yaml import YAML
from shell import PATIENCE, bmn, start, wait_for

from bmn.base.params import load_params
from bmn.base.schema import ExportParams, ModelParams
from bmn.export.export import export
from bmn.predict.outputs import rounded
from bmn.predict.predictor import Predictor
from bmn.proposals import PUBLISHED
from bmn.recipes.presets import preset_params

pytestmark = pytest.mark.xdist_group("inference")


def predict(folder, *words):
    return bmn(folder, "predict", *words)


@pytest.fixture
def files(tmp_path, features):
    """Three feature files: 16 snippets, 16 as [channel, snippet], and 23."""
    np.save(tmp_path / "a.npy", features[0].T)
    np.save(tmp_path / "b.npy", features[1])
    np.save(tmp_path / "c.npy", np.random.default_rng(0).normal(size=(23, 8)))
    return tmp_path


def printed(output):
    """{file: the proposals printed for it}."""
    found = {}
    for line in output.splitlines():
        if line.startswith("BMN Inference results of "):
            found[line.removeprefix("BMN Inference results of ").removesuffix(" :")] = last = []
        else:
            last.append(ast.literal_eval(line))
    return found


def saved(folder):
    return json.loads((folder / "outputs/predict/bmn_results_inference.json").read_text())


def test_a_list_prints_the_best_five_of_each_file_and_saves_all(files, exported):
    durations = {"a.npy": 12.5, "b.npy": 80, "c.npy": 31.0}
    entries = [{"feat_path": name, "duration_second": duration} for name, duration in durations.items()]
    (files / "videos.list").write_text("\n".join(map(json.dumps, entries)))
    done = predict(files, "videos.list", "--model", exported)
    assert done.returncode == 0, done.stderr
    assert "fractions" not in done.stderr
    found = saved(files)
    assert list(found) == list(durations)
    assert printed(done.stdout) == {name: proposals[:5] for name, proposals in found.items()}
    assert done.stderr.splitlines()[0] == f"{exported}/BMN.onnx in ONNX Runtime"
    alone = Predictor(exported).propose(np.load(files / "a.npy"), 12.5)
    assert [each["segment"] for each in found["a.npy"]] == [each["segment"] for each in alone]
    assert [each["score"] for each in found["a.npy"]] == pytest.approx([each["score"] for each in alone], rel=1e-4)


def test_onnxruntime_gives_the_same_proposals(files, exported, onnx_program):
    proposals = []
    for program in (exported / "BMN.pdmodel", onnx_program):
        assert predict(files, "a.npy", "--model", program, "--duration", "60").returncode == 0
        proposals.append(saved(files)["a.npy"])
    ours, theirs = proposals
    assert [each["segment"] for each in ours] == [each["segment"] for each in theirs]
    assert [each["score"] for each in ours] == pytest.approx([each["score"] for each in theirs], rel=1e-3)


def test_the_output_matches_the_golden_output(tmp_path, golden_weights):
    expected = golden.read("prediction.json")
    export(ModelParams(), golden_weights, tmp_path / "export", golden.feature(), ExportParams(), {})
    np.save(tmp_path / "example.npy", golden.feature()[0].T)
    entry = {"feat_path": "example.npy", "duration_second": expected["duration_second"]}
    (tmp_path / "example.list").write_text(json.dumps(entry))
    done = predict(tmp_path, "example.list", "--model", tmp_path / "export")
    assert done.returncode == 0, done.stderr
    found = saved(tmp_path)["example.npy"]
    for published in (expected["from_program"], expected["from_network"]):
        assert [each["segment"] for each in found] == [each["segment"] for each in published]
        assert [each["score"] for each in found] == pytest.approx([each["score"] for each in published], rel=1e-5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nan.npy"], "1 of 1 files were skipped"),
        (["a.npy", "nowhere.npy", "--strict"], "nowhere.npy: no such feature file"),
        (["a.npy", "--model", "nowhere"], "nowhere: contains no BMN.pdmodel"),
        (["a.npy", "--use-tensorrt"], "TensorRT needs a GPU"),
    ],
)
def test_bad_input_is_one_error_and_writes_nothing(files, features, exported, words, sentence):
    spoil(files / "nan.npy", features[0])
    done = predict(files, "--model", exported, *words)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {sentence}"), done.stderr
    assert not (files / "outputs").exists()


def spoil(path, features):
    spoilt = features.T.copy()
    spoilt[3, 1] = np.nan
    np.save(path, spoilt)


def test_an_unreadable_file_is_skipped_and_reported(files, features, exported):
    spoil(files / "b.npy", features[0])
    done = predict(files, ".", "--model", exported, "--quiet", *(f"--format={form}" for form in ("json", "csv", "png")))
    assert done.returncode == 1
    skipped, last = done.stderr.splitlines()[-2:]
    assert skipped.startswith("skipped: b.npy: holds nan at snippet 3, channel 1")
    assert last == "error: 1 of 3 files were skipped, see above; the others are done"
    assert "Inference results" not in done.stdout
    found = saved(files)
    assert list(found) == ["a.npy", "c.npy"]
    lines = list(csv.DictReader((files / "outputs/predict/bmn_results_inference.csv").read_text().splitlines()))
    assert [
        {"score": float(line["score"]), "segment": [float(line["start"]), float(line["end"])]}
        for line in lines
        if line["file"] == "c.npy"
    ] == rounded(found["c.npy"], 1)
    assert (files / "outputs/predict/bmn_results_inference.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_prediction_resumes(files, features, exported):
    spoil(files / "c.npy", features[0])
    words = [".", "--model", exported, "--batch-size", "2", "--strict"]
    assert predict(files, *words).returncode == 1
    folder = files / "outputs/predict"
    [part] = folder.iterdir()
    with open(part, "a") as file:
        file.write('{"file": "c.n')  # as a kill can leave it
    np.save(files / "c.npy", features[2].T)
    done = predict(files, *words)
    assert done.returncode == 0, done.stderr
    assert "already holds 2 of 3 files" in done.stdout
    assert "note: segments are fractions of their video; --duration" in done.stderr
    assert list(printed("\n".join(done.stdout.splitlines()[1:]))) == ["c.npy"]
    assert [path.name for path in folder.iterdir()] == ["bmn_results_inference.json"]
    gone_on = saved(files)
    assert predict(files, *words).returncode == 0
    assert saved(files) == gone_on


def test_a_signal_ends_it_quietly_and_the_same_command_resumes(files, exported):
    (files / "many").mkdir()
    for number in range(1000):
        os.link(files / "c.npy", files / f"many/{number}.npy")
    words = ["many", "--model", str(exported)]
    job = start(files, "predict", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert job.stdout.readline().startswith("BMN Inference results of ")
    job.terminate()
    _, errors = job.communicate(timeout=PATIENCE)
    assert job.returncode == 128 + signal.SIGTERM
    assert "FatalError" not in errors
    assert "Traceback" not in errors
    assert not (files / "outputs/predict/bmn_results_inference.json").exists()
    done = predict(files, *words, "--quiet")
    assert done.returncode == 0, done.stderr
    assert re.search(r"already holds [1-9]\d* of 1000 files", done.stdout)
    assert len(saved(files)) == 1000


def test_with_labels_every_result_names_a_class(files, exported):
    words = ["a.npy", "b.npy", "--model", exported, "--duration", "30", "--labels", "--format=json", "--format=csv"]
    done = predict(files, *words)
    assert done.returncode == 0, done.stderr
    wanted = Predictor(exported).detect(np.load(files / "a.npy"), 30)
    assert saved(files)["a.npy"] == wanted
    with open(files / "outputs/predict/bmn_results_inference.csv", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["file"] == "a.npy"]
    shown = [(each["label"], each["score"]) for each in rounded(wanted, 30)]
    assert [(line["label"], float(line["score"])) for line in lines] == shown


def test_labels_that_a_model_does_not_have_end_with_a_sentence(files, exported):
    (files / "plain").mkdir()
    for name in ("BMN.pdmodel", "BMN.pdiparams"):
        (files / "plain" / name).write_bytes((exported / name).read_bytes())
    done = predict(files, "a.npy", "--model", "plain", "--labels")
    assert done.returncode == 1
    assert re.match(r"error: \S*plain: has no classifier.npz", done.stderr.splitlines()[-1])
    assert not (files / "outputs").exists()


@pytest.fixture(scope="module")
def many(tmp_path_factory, exported):
    """A folder with 1000 feature files, their results by one process, and a function that starts a prediction there."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    (folder / "features").mkdir()
    for number in range(1000):
        np.save(folder / f"features/{number:03}.npy", rng.normal(size=(16, 8)))

    def begin(output, *words):
        words = ("--quiet", "--batch-size", 1, "--format", "json", "--format", "csv", *words)
        return start(folder, "predict", "features", "--model", exported, "--output", output, *words)

    def bytes_of(output):
        return [(folder / output / f"bmn_results_inference.{suffix}").read_bytes() for suffix in ("json", "csv")]

    assert begin("one").wait() == 0
    return folder, begin, bytes_of


def wait_for_results(process, part, number):
    wait_for(lambda: part.exists() and len(part.read_bytes().splitlines()) > number, process)


def test_in_jobs_with_the_driver_killed_the_bytes_are_those_of_one_process(many):
    folder, begin, bytes_of = many
    part = folder / "jobs/bmn_results_inference.part"
    for number in (1, 40, 80):
        process = begin("jobs", "--jobs", 2)
        wait_for_results(process, part, number)
        process.kill()
        process.wait()
    assert begin("jobs", "--jobs", 2).wait() == 0
    assert bytes_of("jobs") == bytes_of("one")


def test_on_a_cluster_that_loses_a_node_the_bytes_are_those_of_one_process(many, ray_cluster):
    folder, begin, bytes_of = many
    execution = {"engine": "ray", "address": ray_cluster.address}
    YAML().dump(preset_params("embedded").model_dump() | {"execution": execution}, folder / "params.yaml")
    assert load_params(folder / "params.yaml").proposals == PUBLISHED
    process = begin("ray", "--params", "params.yaml")
    wait_for_results(process, folder / "ray/bmn_results_inference.part", 1)
    ray_cluster.remove_node(ray_cluster.other, allow_graceful=False)
    assert process.wait() == 0
    assert bytes_of("ray") == bytes_of("one")
