"""Segment voting against a loop over kept proposals and candidates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.proposals import Proposals, ProposalSettings, VideoCandidates, decode, score, select, soft_nms
from bmn.proposals.voting import vote


def tiou(one, other):
    shared = max(min(one[1], other[1]) - max(one[0], other[0]), 0.0)
    return shared / (one[1] - one[0] + other[1] - other[0] - shared)


def voted(kept, candidates, threshold):
    """One video: what each kept proposal becomes, from lists of (start, end, score)."""
    found = []
    for proposal in kept:
        near = [one for one in candidates if tiou(proposal, one) >= threshold]
        total = sum(one[2] for one in near)
        mean = [sum(one[side] * one[2] for one in near) / total if total else proposal[side] for side in (0, 1)]
        found.append((*mean, proposal[2]))
    return found


def rows(proposals):
    padded = np.stack([proposals.starts, proposals.ends, proposals.scores], axis=2)
    return [list(map(tuple, row[:count].tolist())) for row, count in zip(padded, proposals.counts, strict=True)]


def maps(seed, videos, tscale):
    draw = np.random.default_rng(seed)
    shapes = (videos, 2, tscale, tscale), (videos, tscale), (videos, tscale)
    return [draw.random(shape, dtype=np.float32) for shape in shapes]


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(2, 14), st.sampled_from([0.31, 0.62, 0.83, 0.95]))
def test_it_equals_the_loop(seed, videos, tscale, threshold):
    scored = score(decode(*maps(seed, videos, tscale)))
    kept = soft_nms(scored)
    found = rows(vote(kept, scored, threshold))
    for ours, before, candidates in zip(found, rows(kept), rows(scored), strict=True):
        assert np.array(ours) == pytest.approx(np.array(voted(before, candidates, threshold)), rel=1e-12)


def test_by_hand_and_scores_of_0_move_nothing():
    """Two candidates with a tIoU of 0.95, scores 3 and 1; one apart; and one whose score is 0."""
    scored = Proposals(
        np.array([[0.0, 0.0, 30.0, 40.0]]), np.array([[20.0, 19.0, 31.0, 41.0]]), np.array([[3.0, 1.0, 0.5, 0.0]]),
        np.array([4]),
    )  # fmt: skip
    assert rows(vote(scored, scored, 0.95)) == [
        [(0.0, 19.75, 3.0), (0.0, 19.75, 1.0), (30.0, 31.0, 0.5), (40.0, 41.0, 0.0)]
    ]
    assert rows(vote(scored, scored, 0.96)) == rows(scored)


def test_it_is_off_by_default_and_applied_where_asked_for():
    found = VideoCandidates(["a", "b"], decode(*maps(0, 2, 20)), np.ones(2), np.ones(2))
    plain, asked = (select(found, ProposalSettings(voting_tiou=threshold)) for threshold in (None, 0.8))
    scored = score(found.candidates)
    for video, before, after in zip(
        "ab", rows(soft_nms(scored)), rows(vote(soft_nms(scored), scored, 0.8)), strict=True
    ):
        np.testing.assert_array_equal(plain[video], before)
        np.testing.assert_array_equal(asked[video], after)
        assert (plain[video] != asked[video]).any()
