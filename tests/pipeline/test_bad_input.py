"""Bad input ends in one sentence, exit code 1 and nothing half-written."""

import json
import shutil

import numpy as np
import paddle
import pytest
from pipeline.project import Project, make_project

from bmn.base.ids import video_id
from bmn.model.weights import read_weights

pytestmark = pytest.mark.xdist_group("bad_input")


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory) -> Project:
    project = make_project(tmp_path_factory.mktemp("bad_input") / "project")
    for stage in ("inputs", "download"):
        project.run("python", f"stages/{stage}.py")
    return project


@pytest.fixture
def project(downloaded, tmp_path) -> Project:
    """A copy with raw data, for each test to spoil."""
    folder = shutil.copytree(downloaded.folder, tmp_path / "project", ignore=shutil.ignore_patterns(".git"))
    return Project(folder, downloaded.environment)


def refused(project, stage, *words) -> None:
    """The stage ends with one sentence on standard error that holds the words."""
    done = project.run("python", f"stages/{stage}.py", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    *before, sentence = done.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert not any(line.startswith("error: ") for line in before)
    for word in words:
        assert word in sentence


def edit_params(project, old, new):
    path = project.folder / "params.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("tscale: 16", "tscales: 16", ["params.yaml", "model.tscales is unknown"]),
        ("epochs: 2", "epochs: two", ["params.yaml", "train.epochs is 'two'"]),
        ("dscale: 12", "dscale: 17", ["params.yaml", "model.dscale is 17", "model.tscale (16)"]),
    ],
)
@pytest.mark.parametrize("stage", ["download", "convert", "train", "evaluate", "export"])
def test_parameters(project, stage, old, new, words):
    edit_params(project, old, new)
    refused(project, stage, *words)


def some_feature(project):
    return sorted((project.folder / "data/raw/features").iterdir())[0]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), ["features is missing", "add the file"]),
        (lambda path: np.save(path, np.zeros((16, 7), "float32")), ["(16, 7)", "8 channels"]),
        (lambda path: np.save(path, np.full((16, 8), np.nan, "float32")), ["nan at snippet 0, channel 0"]),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), ["not a readable .npy"]),
        (lambda path: np.save(path, np.array([{}]), allow_pickle=True), ["not a readable .npy"]),
    ],
    ids=["missing", "wrong shape", "NaN", "cut off", "pickle"],
)
def test_feature_files(project, spoil, words):
    path = some_feature(project)
    spoil(path)
    refused(project, "convert", video_id(path.stem), *words)
    assert not (project.folder / "data/processed").exists()


def edit_annotations(project, change):
    path = project.folder / "data/raw/annotations.json"
    annotations = json.loads(path.read_text())
    change(annotations)
    path.write_text(json.dumps(annotations))


def first(annotations):
    return annotations["v_training_00000"]


def move_all_to_training(annotations):
    for entry in annotations.values():
        entry["subset"] = "training"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: first(a).pop("duration_second"), ["training_00000", "duration is None"]),
        (lambda a: first(a).update(duration_second="long"), ["duration is 'long'"]),
        (lambda a: first(a)["annotations"].append({"segment": [3, 3], "label": "x"}), ["[3, 3]", "zero length"]),
        (lambda a: first(a)["annotations"].append({"segment": [3, 2], "label": "x"}), ["[3, 2]", "end must be after"]),
        (lambda a: first(a)["annotations"].append({"segment": [900, 950], "label": "x"}), ["outside the video"]),
        (lambda a: first(a)["annotations"].append({"segment": [0, 950], "label": "x"}), ["extends beyond"]),
        (move_all_to_training, ["the subset 'validation' holds no video"]),
    ],
    ids=["no duration", "bad duration", "no length", "end first", "outside", "past the end", "empty subset"],
)
def test_annotations(project, change, words):
    edit_annotations(project, change)
    refused(project, "convert", "data/raw/annotations.json", *words)
    assert not (project.folder / "data/processed").exists()


def test_annotations_that_are_not_json(project):
    (project.folder / "data/raw/annotations.json").write_text("{")
    refused(project, "convert", "data/raw/annotations.json", "JSON")


@pytest.mark.parametrize("stage", ["download", "convert"])
def test_a_folder_that_cannot_be_written(project, stage):
    if stage == "download":
        shutil.rmtree(project.folder / "data")
        (project.folder / "data").touch()
        refused(project, stage, "data/raw", "File exists")
    else:
        (project.folder / "data/processed").touch()
        refused(project, stage, "data/processed", "Not a directory")


def test_weights_of_another_shape(project):
    project.run("python", "stages/convert.py")
    from bmn.classify.classifier import write_classifier
    from bmn.model.network import BMN

    network = BMN(8, 16, 12, num_sample=5, num_sample_perbin=2, prop_boundary_ratio=0.5)
    path = project.folder / "outputs/train/best.pdparams"
    path.parent.mkdir(parents=True)
    paddle.save(network.state_dict(), str(path))
    assert read_weights(path)
    write_classifier(path.parent / "classifier.npz", None)
    (path.parent / "run.json").write_text('{"run_id": "of another store"}')
    (path.parent / "metrics.json").write_text("{}")
    for stage in ("evaluate", "export"):
        refused(project, stage, "best.pdparams", "p_conv3d1.weight has the shape [512, 128, 5, 1, 1]")


def test_nothing_to_train_on(project):
    refused(project, "train", "data/processed/annotations.json", "no such file")


def test_a_batch_larger_than_the_training_subset(project):
    project.run("python", "stages/convert.py")
    edit_params(project, "batch_size: 4", "batch_size: 13")
    refused(project, "train", "12", "batch of 13")
