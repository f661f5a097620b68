"""Ids of videos."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.base.ids import video_id

names = st.builds(str.__add__, st.sampled_from(["", "v_", "v_v_"]), st.text(max_size=12))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("v_a", "a"), ("a", "a"), ("v_v_a", "a"), ("av_", "av_"), ("V_a", "V_a"), ("v_", "v_"), ("v_v_", "v_"), ("", "")],
)
def test_the_prefix_goes_and_never_leaves_an_empty_id(name, wanted):
    assert video_id(name) == wanted


@pytest.mark.parametrize("youtube", ["v_UmAH95xls", "v_Vg4a8igc0", "--0edUL8zmA"])
def test_the_ids_of_activitynet_are_the_same_with_and_without_the_prefix(youtube):
    assert video_id(youtube) == video_id(f"v_{youtube}") == youtube


@given(names)
def test_an_id_is_its_own_id(name):
    assert video_id(video_id(name)) == video_id(name)
