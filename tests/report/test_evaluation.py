"""The page of an evaluation."""

import numpy as np
import pytest

from bmn.base.schema import ProposalSettings
from bmn.data.videos import Segment, Video
from bmn.metrics.assessment import assess
from bmn.report.evaluation import advice, render


def test_the_chance_baseline_is_explained_if_there_is_one():
    videos = [Video("a", "validation", 9.0, (Segment(1, 2, "x"),))]
    assessment = assess(videos, {"a": np.array([[1.0, 2.0, 0.5]])}, None)
    pages = [render("", assessment, metrics, []) for metrics in ({"AUC": 99.0}, {"AUC": 99.0, "chance_AUC": 50.0})]
    assert ["chance baseline" in page for page in pages] == [False, True]


@pytest.mark.parametrize(
    ("segments", "changes", "said"), [(5, {}, "2.5 segments a video"), (4, {}, None), (5, {"alpha": 0.3}, None)]
)
def test_fitting_is_advised_where_videos_have_many_segments_and_nothing_was_fitted(segments, changes, said):
    many = tuple(Segment(second, second + 1, "x") for second in range(segments))
    videos = [Video("a", "validation", 9.0, many), Video("b", "validation", 9.0, ())]
    found = advice(ProposalSettings(**changes), videos)
    assert (found or "None").startswith(str(said))
