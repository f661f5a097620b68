"""Warnings of the data report."""

import numpy as np

from bmn.data.store import FeatureStore
from bmn.data.subset import Subset
from bmn.data.videos import Segment, Video
from bmn.data.windows import Window
from bmn.report.facts import channel_facts
from bmn.report.warnings import data_warnings


def subset(features, spans=((1.0, 3.0, "x"),)):
    videos = [Video(f"v{n}", "training", 10.0, tuple(Segment(*span) for span in spans)) for n in range(len(features))]
    windows = tuple(Window(video.id, 0.0, video.duration) for video in videos)
    return Subset(FeatureStore("none.npy", windows, features, ""), {one.id: one for one in videos}, [], videos)


def good():
    return np.random.default_rng(0).normal(size=(4, 3, 8)).astype("float32")


def warned(features, validation=None, **kwargs):
    training = subset(features, **kwargs)
    return data_warnings(training, validation or training, channel_facts(training.store))


def test_ordinary_data_give_no_warning():
    assert warned(good()) == []


def test_constant_channels_are_named():
    features = good()
    features[:, 1] = 5
    [sentence] = warned(features)
    assert sentence == "1 channels are constant and carry nothing: 1"


def test_channels_of_very_different_scale_are_named():
    features = good()
    features[:, 2] *= 1000
    [sentence] = warned(features)
    assert "the largest is that of channel 2" in sentence


def test_features_that_repeat_are_named():
    features = good()
    features[3] = features[0]
    features[1] = features[1][:, :1]
    frozen, same = warned(features)
    assert frozen == "the features of 1 windows are the same at every snippet: v1"
    assert "v0 and v3" in same


def test_segments_of_whole_videos_are_counted():
    [sentence] = warned(good(), spans=((0.0, 9.9, "x"),))
    assert sentence.startswith("4 of 4 training segments cover a whole video")


def test_classes_that_only_validation_has_are_named():
    [sentence] = warned(good(), validation=subset(good(), spans=((1.0, 2.0, "y"), (2.0, 3.0, "x"))))
    assert sentence == "validation classes that do not occur in training: y"
