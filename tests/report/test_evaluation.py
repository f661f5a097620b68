"""The page of an evaluation."""

import numpy as np

from bmn.data.videos import Segment, Video
from bmn.metrics.assessment import assess
from bmn.report.evaluation import render


def test_the_chance_baseline_is_explained_if_there_is_one():
    videos = [Video("a", "validation", 9.0, (Segment(1, 2, "x"),))]
    assessment = assess(videos, {"a": np.array([[1.0, 2.0, 0.5]])}, None)
    pages = [render("", assessment, metrics, []) for metrics in ({"AUC": 99.0}, {"AUC": 99.0, "chance_AUC": 50.0})]
    assert ["chance baseline" in page for page in pages] == [False, True]
