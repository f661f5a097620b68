"""The embedded data set: its form, its promises, and that it is the same everywhere."""

import json

import numpy as np
import pytest

from bmn.acquire.features import read_features
from bmn.acquire.synthetic import CLASSES, make_synthetic
from bmn.conversion.annotations import clean
from bmn.conversion.dialects import read_annotations
from bmn.metrics.chance import chance_proposals

VIDEOS = {"training": 60, "validation": 6}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    make_synthetic(folder, seed=3, videos=VIDEOS, feat_dim=96, tscale=50)
    return folder


@pytest.fixture(scope="module")
def videos(made):
    found, findings = clean(read_annotations(made / "annotations.json"))
    assert findings == []
    return found


def test_it_has_the_form_of_the_real_one(made, videos):
    raw = json.loads((made / "annotations.json").read_text())
    assert set(raw) == {path.stem for path in (made / "features").iterdir()}
    for video in raw.values():
        assert set(video) == {"duration_second", "duration_frame", "feature_frame", "subset", "annotations"}
        assert video["feature_frame"] <= video["duration_frame"]
    assert {name: sum(video.subset == name for video in videos) for name in VIDEOS} == VIDEOS
    for video in videos:
        assert read_features(made / "features" / f"v_{video.id}.npy", channels=96).shape == (50, 96)


def test_actions_are_one_to_many_short_to_long_and_of_every_class(videos):
    counts = [len(video.segments) for video in videos]
    lengths = [(s.end - s.start) / video.duration for video in videos for s in video.segments]
    assert min(counts) == 1
    assert max(counts) >= 4
    assert min(lengths) < 0.1
    assert max(lengths) > 0.7
    assert {segment.label for video in videos for segment in video.segments} == set(CLASSES)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(made, tmp_path):
    make_synthetic(tmp_path / "same", seed=3, videos={"validation": 6}, feat_dim=96, tscale=50)
    make_synthetic(tmp_path / "other", seed=4, videos={"validation": 6}, feat_dim=96, tscale=50)
    for path in sorted((tmp_path / "same" / "features").iterdir()):
        assert path.read_bytes() == (made / "features" / path.name).read_bytes()
        assert path.read_bytes() != (tmp_path / "other" / "features" / path.name).read_bytes()


def test_actions_show_in_the_features_but_not_to_a_glance(made, videos):
    """A linear probe, fitted on half of the training videos, tells actions from the rest on the other
    half."""
    snippets, inside = [], []
    for video in videos:
        centres = (np.arange(50) + 0.5) / 50 * video.duration
        inside.append(np.any([(s.start <= centres) & (centres < s.end) for s in video.segments], axis=0))
        features = read_features(made / "features" / f"v_{video.id}.npy", channels=96)
        snippets.append(np.c_[features, np.ones(50)])
    weights, *_ = np.linalg.lstsq(np.concatenate(snippets[:30]), np.concatenate(inside[:30]) - 0.5, rcond=None)
    truth = np.concatenate(inside[30:])
    correct = np.mean((np.concatenate(snippets[30:]) @ weights > 0) == truth)
    assert max(truth.mean(), 1 - truth.mean()) + 0.05 < correct < 0.9


def test_the_chance_baseline_is_training_segments_scaled_to_the_video(videos):
    training = [video for video in videos if video.subset == "training"]
    others = [video for video in videos if video.subset == "validation"]
    proposals = chance_proposals(training, others, seed=5, count=40)
    known = {
        (round(s.start / video.duration, 9), round(s.end / video.duration, 9))
        for video in training
        for s in video.segments
    }
    assert set(proposals) == {video.id for video in others}
    for video in others:
        assert proposals[video.id].shape == (40, 2)
        assert {tuple(row) for row in np.round(proposals[video.id] / video.duration, 9)} <= known
    again = chance_proposals(training, others, seed=5, count=40)
    other = chance_proposals(training, others, seed=6, count=40)
    assert all((again[name] == proposals[name]).all() for name in proposals)
    assert any((other[name] != proposals[name]).any() for name in proposals)
