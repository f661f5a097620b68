"""Class scores by other people's classifiers: each form as the field has it, and what is wrong with a file."""

import io
import json
import pickle

import numpy as np
import pytest

from bmn.base.errors import BmnError
from bmn.classify.video_scores import THUMOS_CLASSES, check_scores, read_video_scores
from bmn.metrics.detection import VideoScores, detections


def write(folder, content):
    path = folder / "scores"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_cuhk(tmp_path):
    path = write(tmp_path, json.dumps({"class": ["a", "b"], "results": {"v_x": [0.25, 0.5]}}))
    read = read_video_scores(path)
    assert list(read.classes) == ["a", "b"]
    assert read.scores["x"].tolist() == [0.25, 0.5]


def test_tcanet_gives_one_row_of_logits(tmp_path):
    path = write(
        tmp_path, json.dumps({"class": ["a", "b"], "results": {"x": [[0.0, float(np.log(3))]], "y": [[800, 0]]}})
    )
    read = read_video_scores(path)
    np.testing.assert_allclose(read.scores["x"], [0.25, 0.75])
    np.testing.assert_allclose(read.scores["y"], [1, 0], atol=1e-12)


@pytest.mark.parametrize("columns", [101, 20])
def test_untrimmednet_has_a_row_for_every_number_of_a_test_video(tmp_path, columns):
    array = np.random.default_rng(0).random((6, columns)).astype("float32")
    read = read_video_scores(write(tmp_path, npy(array)))
    assert (len(read.classes), len(read.scores)) == (20, 6)
    column = {101: 92 - 1, 20: 17}[columns]  # TennisSwing is the 92nd class of UCF-101
    assert read.classes[17] == "TennisSwing"
    assert read.scores["video_test_0000004"][17] == array[3, column]
    assert list(read.classes) == sorted(THUMOS_CLASSES)


def test_csv_with_some_of_the_classes(tmp_path):
    read = read_video_scores(write(tmp_path, "video,label,score\nv_x,b,0.5\nx,a,1e-1\ny,b,1\n"))
    assert list(read.classes) == ["a", "b"]
    assert {video: row.tolist() for video, row in read.scores.items()} == {"x": [0.1, 0.5], "y": [0.0, 1.0]}


def scores_of(results, classes=("a",)):
    return json.dumps({"class": list(classes), "results": results})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[]", "unknown format; write it as"),
        (scores_of({}, classes=()), "unknown format"),
        (scores_of({}, classes=(1,)), "unknown format"),
        ('{"results": {}}', "unknown format"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        (scores_of({"x": [1, 2]}), "the scores of x should be 1 finite numbers"),
        (scores_of({"x": ["y"]}), "the scores of x are not numbers"),
        (scores_of({"x": [[1], [2]]}), "the scores of x should be 1 finite numbers"),
        (scores_of({"x": [float("nan")]}), "the scores of x should be 1 finite"),
        (scores_of({"v_x": [1], "x": [1]}), "has video x twice"),
        (npy(np.zeros((3, 7))), r"has the shape \(3, 7\); THUMOS-14's scores are \[video, 101 or 20 classes\]"),
        (npy(np.full((3, 20), np.nan)), "the scores of 0 should be 20 finite numbers"),
        (npy(np.zeros((3, 20)))[:100], "not a readable array"),
        (pickle.dumps({"x": [1]}), "could run code inside it; save its array with numpy.save"),
        (b"\xff\xfe", "not UTF-8"),
        ("", "unknown format"),
        ("<html>", "unknown format"),
        ("video,label,score\n", "names no video"),
        ("video,label,score\nx,a,high\n", "the score in line 2 is 'high'"),
        ("video,label,score\nx,a,nan\n", "finite"),
        ("video,label,score\nx,a\n", "line 2 lacks a label"),
        ("video,label,score\nx,a,1\nv_x,a,1\n", "line 3 .* repeats a label"),
    ],
)
def test_a_wrong_file_gets_a_sentence(tmp_path, content, sentence):
    path = write(tmp_path, content)
    with pytest.raises(BmnError, match=sentence) as caught:
        read_video_scores(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([{}]), allow_pickle=True)
    with pytest.raises(BmnError, match="not a readable array of numbers"):
        read_video_scores(write(tmp_path, file.getvalue()))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BmnError, match="absent: cannot be read"):
        read_video_scores(tmp_path / "absent")


def test_a_classifier_of_other_videos_is_refused():
    scores = VideoScores(["a"], {"x": np.ones(1)})
    with pytest.raises(BmnError, match=r"no scores for 2 of 3 videos, y among them; .* name the file that belongs"):
        detections({"x": [], "y": [], "z": []}, scores)


def test_classes_are_compared_with_the_labels(tmp_path):
    scores, path = VideoScores(["Long Jump", "run"], {}), tmp_path / "scores"
    assert check_scores(scores, ["run"], path) == []
    assert check_scores(scores, ["run", "swim"], path) == [
        f"{path} has no class 'swim': it is never given, and counts as missed"
    ]
    with pytest.raises(BmnError, match=r"its class 'Long Jump' and the annotations' label 'LongJump' differ by case"):
        check_scores(scores, ["run", "LongJump"], path)
    with pytest.raises(BmnError, match=r"its classes \('Long Jump', …\) are none of the annotations' labels"):
        check_scores(scores, ["swim"], path)
