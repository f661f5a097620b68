"""Ids of videos."""

import pytest

from bmn.base.ids import video_id


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("v_a", "a"), ("a", "a"), ("v_v_a", "v_a"), ("av_", "av_"), ("V_a", "V_a"), ("v_", "v_"), ("", "")],
)
def test_the_prefix_goes_once_and_never_leaves_an_empty_id(name, wanted):
    assert video_id(name) == wanted
