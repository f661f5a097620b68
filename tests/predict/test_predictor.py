import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest

import bmn
from bmn.base.errors import BmnError
from bmn.classify.pooling import pooled
from bmn.data.windows import cut, resize
from bmn.predict.predictor import Predictor
from bmn.proposals import ProposalSettings, decode, in_seconds, score, soft_nms

pytestmark = pytest.mark.xdist_group("inference")
ROOT = Path(__file__).parents[2]
FORMS = {".pdmodel": "0", ".json": "1"} if paddle.__version__ >= "3" else {".pdmodel": "0"}


@pytest.fixture(scope="module")
def predictor(exported):
    return Predictor(exported)


def test_it_knows_what_the_model_takes(predictor):
    assert (predictor.channels, predictor.tscale) == (8, 16)


def test_proposals_follow_from_the_maps(predictor, features):
    durations = np.array([3.0, 50.0, 1.0, 7.0, 200.0])
    wanted = in_seconds(soft_nms(score(decode(*predictor.maps(features)))), durations, durations)
    found = predictor.propose_videos([video.T for video in features], durations)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_video_gives_the_same_alone_and_in_a_batch(predictor, features):
    durations = np.linspace(10, 50, 5)
    for video, rows in enumerate(predictor.propose_videos([video.T for video in features], durations)):
        alone = predictor.propose(features[video].T, durations[video])
        np.testing.assert_allclose([each["score"] for each in alone], rows[:, 2], rtol=1e-4)
        np.testing.assert_allclose([each["segment"] for each in alone], rows[:, :2])


def test_proposals_are_sorted_and_lie_within_the_video(predictor, features):
    proposals = predictor.propose(features[0].T, 12.5)
    scores = [proposal["score"] for proposal in proposals]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= start < end <= 12.5 for start, end in (proposal["segment"] for proposal in proposals))


def test_soft_nms_settings_are_used(exported, features):
    assert len(Predictor(exported, ProposalSettings(max_proposals=3)).propose(features[0].T, 10.0)) == 3


def test_any_number_of_snippets_is_resized(predictor):
    features = np.random.default_rng(1).normal(size=(23, 8)).astype(np.float32)
    assert predictor.propose(features, 10.0) == predictor.propose(resize(features, 16), 10.0)


def test_from_python_it_is_one_line(exported, predictor, features):
    assert bmn.load(str(exported)).propose(features[0].T, 12.5) == predictor.propose(features[0].T, 12.5)


def test_settings_come_from_a_params_file_on_request(tmp_path, exported, features):
    params = tmp_path / "params.yaml"
    params.write_text("{data: {source: synthetic}, proposals: {classification_exponent: 2.0, alpha: 0.2}}")
    settings = ProposalSettings(classification_exponent=2.0, alpha=0.2)
    wanted = Predictor(exported, settings).propose(features[0].T, 12.5)
    assert bmn.load(exported, params=params).propose(features[0].T, 12.5) == wanted
    assert wanted != bmn.load(exported).propose(features[0].T, 12.5)


@pytest.mark.parametrize(
    ("shape", "value", "duration", "sentence"),
    [
        ((16, 7), 0.0, 10.0, r"shape \(16, 7\); it should be \[snippet, channel\] with 8 channels"),
        ((0, 8), 0.0, 10.0, r"shape \(0, 8\)"),
        ((1, 16, 8), 0.0, 10.0, r"shape \(1, 16, 8\)"),
        ((16, 8), np.nan, 10.0, "contain NaN"),
        ((16, 8), 0.0, 0.0, "duration is 0.0"),
        ((16, 8), 0.0, np.inf, "duration is inf"),
    ],
)
def test_features_that_do_not_fit_are_refused(predictor, shape, value, duration, sentence):
    with pytest.raises(BmnError, match=sentence):
        predictor.propose(np.full(shape, value, np.float32), duration)


def test_a_missing_model_is_refused(tmp_path, exported):
    with pytest.raises(BmnError, match="export a model first"):
        Predictor(tmp_path)
    shutil.copy(exported / "BMN.pdmodel", tmp_path)  # without its weights
    with pytest.raises(BmnError, match=r"BMN\.pdiparams"):
        Predictor(tmp_path / "BMN.pdmodel")


def test_tensorrt_needs_a_gpu_and_a_gpu_needs_paddle_for_it(exported):
    with pytest.raises(BmnError, match="TensorRT needs a GPU"):
        Predictor(exported, use_tensorrt=True)
    if paddle.is_compiled_with_cuda():
        pytest.skip("needs Paddle for CPUs: REQUIREMENTS=requirements-cpu.txt make setup")
    with pytest.raises(BmnError, match="cannot use a GPU; install paddlepaddle-gpu"):
        Predictor(exported, device="gpu")


@pytest.mark.parametrize("form", FORMS)
def test_a_program_of_the_published_network_gives_the_same_proposals(
    tmp_path, predictor, model, weights, features, form
):
    """As PaddleVideo exports it: without our manifest."""
    subprocess.run(
        [sys.executable, "-m", "oracles.program", weights, tmp_path, model.model_dump_json()],
        env=os.environ | {"PYTHONPATH": f"{ROOT}/src:{ROOT}/tests", "FLAGS_enable_pir_api": FORMS[form]},
        check=True, capture_output=True,
    )  # fmt: skip
    published = Predictor(tmp_path / f"BMN{form}")
    assert (published.channels, published.tscale) == (8, 16)
    for video in features:
        ours, theirs = predictor.propose(video.T, 50.0), published.propose(video.T, 50.0)
        assert [each["segment"] for each in ours] == [each["segment"] for each in theirs]
        assert [each["score"] for each in ours] == pytest.approx([each["score"] for each in theirs], rel=1e-3)


def test_a_model_of_windows_merges_their_proposals(tmp_path, exported):
    for file in exported.iterdir():
        shutil.copy(file, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"overlap": 0.5}))
    windowed, whole = Predictor(tmp_path), Predictor(exported)
    video = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
    proposals = windowed.propose(video, 80.0)  # windows of 32 s, from 0, 16, 32 and 48 s
    scores = [each["score"] for each in proposals]
    assert scores == sorted(scores, reverse=True)
    assert max(end for _, end in (each["segment"] for each in proposals)) > 48
    assert all(0 <= start < end <= 80 for start, end in (each["segment"] for each in proposals))
    # a single window spans the whole video
    assert windowed.propose(video[:16], 32.0) == whole.propose(video[:16], 32.0)
    # the best of all windows is the best of the window that it comes from
    alone = [whole.propose(video[first : first + 16], 32.0)[0]["score"] for first in (0, 8, 16, 24)]
    assert scores[0] == pytest.approx(max(alone))


def test_detections_are_proposals_with_the_labels_of_the_classifier_beside_the_program(predictor, exported, features):
    video = features[0].T
    found = predictor.detect(video, 12.5)
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)
    proposals = {tuple(each["segment"]): each["score"] for each in predictor.propose(video, 12.5)}
    assert len(found) == 2 * len(proposals)
    for segment, whole in proposals.items():
        both = [each for each in found if tuple(each["segment"]) == segment]
        assert {each["label"] for each in both} == {"jump", "wave"}
        assert 0 < sum(each["score"] for each in both) < whole  # the rest is background
    assert bmn.load(exported).detect(video, 12.5) == found


def test_detections_of_windows_are_pooled_where_the_network_saw_them(exported, tmp_path):
    """A long video in windows: what the classifier says follows from the window that shows most around a proposal."""
    folder = tmp_path / "windows"
    shutil.copytree(exported, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"overlap": 0.5}))
    video = np.random.default_rng(6).normal(size=(40, 8)).astype(np.float32)
    predictor = Predictor(folder)
    [rows], [found] = (each([video], np.array([40.0])) for each in (predictor.propose_videos, predictor.detect_videos))
    windows, shown = zip(*cut(video, "0", 40.0, 16, 0.5), strict=True)
    vectors = pooled(np.stack([own.T for own in shown]), windows, rows[:, :2])
    likely = predictor.classifier.probabilities(vectors)
    for number, name in enumerate(("jump", "wave")):
        np.testing.assert_allclose(found[name][:, 2], rows[:, 2] * likely[:, number])


def test_a_model_without_classifier_has_no_labels(exported, features, tmp_path):
    folder = tmp_path / "plain"
    shutil.copytree(exported, folder, ignore=shutil.ignore_patterns("classifier.npz"))
    with pytest.raises(BmnError, match=r"plain: has no classifier.npz, so it cannot label proposals; train on"):
        Predictor(folder).detect(features[0].T, 12.5)
