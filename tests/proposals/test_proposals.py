from unittest.mock import patch

import golden
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import proposals as oracle

from bmn.base.errors import BmnError
from bmn.proposals import (
    Proposals,
    ProposalSettings,
    candidates,
    concatenate,
    decode,
    in_seconds,
    results,
    score,
    soft_nms,
    suppression,
)

PUBLISHED = ProposalSettings()
EXPONENTS = ("boundary_exponent", "regression_exponent", "classification_exponent")
GOLDEN = list(golden.read("maps.json"))


def rows(batch):
    """A batch as the oracle's lists: one a video of (start, end, score)."""
    padded = np.stack([batch.starts, batch.ends, batch.scores], axis=2)
    assert not any(row[count:].any() for row, count in zip(padded, batch.counts, strict=True))
    return [list(map(tuple, row[:count].tolist())) for row, count in zip(padded, batch.counts, strict=True)]


def batch_of(videos):
    """The oracle's lists as a batch, best first."""
    longest = max(map(len, videos))
    padded = np.zeros((3, len(videos), longest))
    for video, found in enumerate(videos):
        for place, proposal in enumerate(sorted(found, key=lambda proposal: -proposal[2])):
            padded[:, video, place] = proposal
    return Proposals(*padded, np.array([len(found) for found in videos]))


def best_first(candidates):
    return sorted(candidates, key=lambda candidate: -candidate[2])


def random_maps(videos, dscale, tscale, seed, levels=None):
    """Network outputs; a few levels make many equal scores."""
    draw = np.random.default_rng(seed)
    shapes = (videos, 2, dscale, tscale), (videos, tscale), (videos, tscale)
    if levels is None:
        return tuple(draw.random(shape, dtype=np.float32) for shape in shapes)
    return tuple(draw.integers(0, levels + 1, shape).astype(np.float32) / levels for shape in shapes)


@st.composite
def outputs(draw):
    tscale = draw(st.integers(1, 12))
    dscale = draw(st.integers(1, tscale))
    levels = draw(st.sampled_from([None, 1, 2, 3]))
    return random_maps(draw(st.integers(1, 4)), dscale, tscale, draw(st.integers(0, 2**32)), levels)


thresholds = st.sampled_from([0, 0.25, 0.5, 1]) | st.floats(0, 1)  # a grid has tIoUs at the first ones
alphas = st.sampled_from([1e-4, 0.4]) | st.floats(0.01, 2)  # the first lets scores vanish
exponents = st.sampled_from([0.0, 0.5, 1.0, 2.0]) | st.floats(0, 4)
settings = st.builds(  # beyond what params.yaml may say, too
    ProposalSettings.model_construct,
    **dict.fromkeys(EXPONENTS, exponents),
    alpha=alphas,
    low_threshold=thresholds,
    high_threshold=thresholds,
    max_proposals=st.integers(1, 120),
)
PARTS = ("boundary", "regression", "classification")


def published(name):
    maps, found = golden.arrays("maps"), golden.arrays("suppression")
    outputs = tuple(maps[f"{name}/{part}"] for part in ("pred_bm", "pred_start", "pred_end"))
    return outputs, found[f"{name}/proposals"], found[f"{name}/kept"]


@pytest.mark.parametrize("name", GOLDEN)
def test_decodes_as_published(name):
    maps, decoded, _ = published(name)
    [found] = rows(score(decode(*maps)))
    np.testing.assert_allclose(found, best_first(decoded.tolist()), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", GOLDEN)
def test_suppresses_as_published(name):
    maps, _, kept = published(name)
    [found] = rows(soft_nms(score(decode(*maps)), ProposalSettings.model_construct(max_proposals=101)))
    np.testing.assert_allclose(found, kept, rtol=1e-6, atol=0)


def test_final_proposals_of_a_padded_batch_as_published():
    final = golden.read("suppression.json")
    maps = (np.concatenate(part) for part in zip(*(published(name)[0] for name in GOLDEN), strict=True))
    durations = np.array([golden.read("maps.json")[name] for name in GOLDEN])
    found = in_seconds(soft_nms(score(decode(*maps))), durations, durations)
    for name, of_video in zip(GOLDEN, found, strict=True):
        assert_same_results(results(of_video), final[name.removeprefix("v_")])


def test_prediction_as_published():
    expected, maps = golden.read("prediction.json"), golden.arrays("network")
    kept = soft_nms(score(decode(*(maps[part] for part in ("pred_bm", "pred_start", "pred_end")))))
    duration = np.array([expected["duration_second"]])
    [found] = in_seconds(kept, duration, duration)
    assert_same_results(results(found), expected["from_network"])


def assert_same_results(found, expected):
    assert len(found) == len(expected)
    for ours, published in zip(found, expected, strict=True):
        assert ours["score"] == pytest.approx(published["score"], rel=1e-6)
        assert ours["segment"] == pytest.approx(published["segment"], rel=1e-6)


@given(outputs(), st.sampled_from([1, 3, 32]))
def test_decode_equals_the_published_loop(maps, chunk):
    expected = [best_first(oracle.decode(*video)) for video in zip(*maps, strict=True)]
    with patch.object(candidates, "DECODED_TOGETHER", chunk):
        assert rows(score(decode(*maps))) == expected


@given(outputs(), st.tuples(exponents, exponents, exponents))
def test_exponents_weigh_the_parts_of_a_score(maps, exponents):
    """Likely boundaries are those of the probabilities as they are."""
    expected = [oracle.decode(*video, exponents) for video in zip(*maps, strict=True)]
    found = rows(score(decode(*maps), ProposalSettings.model_construct(**dict(zip(EXPONENTS, exponents, strict=True)))))
    for ours, of_video in zip(found, expected, strict=True):
        assert [proposal[2] for proposal in ours] == sorted((p[2] for p in ours), reverse=True)
        assert {proposal[:2]: proposal[2] for proposal in ours} == {
            candidate[:2]: pytest.approx(candidate[2], rel=1e-5, abs=1e-30) for candidate in of_video
        }


@given(outputs(), st.floats(0.25, 2))
def test_one_exponent_on_all_parts_keeps_the_order(maps, exponent):
    candidates = decode(*maps)
    powered = rows(score(candidates, ProposalSettings(**dict.fromkeys(EXPONENTS, exponent))))
    for ours, published in zip(powered, rows(score(candidates)), strict=True):
        scores = {proposal[:2]: proposal[2] for proposal in published}
        in_our_order = [scores[proposal[:2]] for proposal in ours]
        assert in_our_order == pytest.approx([proposal[2] for proposal in published], rel=1e-5)
        assert [proposal[2] ** (1 / exponent) for proposal in ours] == pytest.approx(in_our_order, rel=1e-5)


def test_one_exponent_on_all_parts_is_another_alpha():
    candidates = decode(*random_maps(3, 30, 40, seed=5))
    published = soft_nms(score(candidates))
    settings = ProposalSettings(**dict.fromkeys(EXPONENTS, 1.5), alpha=PUBLISHED.alpha / 1.5)
    powered = soft_nms(score(candidates, settings), settings)
    np.testing.assert_array_equal(powered.starts, published.starts)
    np.testing.assert_array_equal(powered.ends, published.ends)
    np.testing.assert_allclose(powered.scores, published.scores**1.5, rtol=1e-5)


@given(outputs(), st.sampled_from(PARTS))
def test_an_exponent_of_0_ignores_its_part(maps, part):
    candidates = decode(*maps)
    without = candidates._replace(**{part: np.ones_like(getattr(candidates, part))})
    assert rows(score(candidates, ProposalSettings(**{f"{part}_exponent": 0.0}))) == rows(score(without))


@given(outputs(), settings, st.sampled_from([1, 2, 5, 512]), st.sampled_from([1, 3, 128]))
def test_soft_nms_equals_the_published_loop(maps, settings, reach, chunk):
    candidates = score(decode(*maps), settings)
    with patch.object(suppression, "REACH", reach), patch.object(suppression, "SUPPRESSED_TOGETHER", chunk):
        found = rows(soft_nms(candidates, settings))
    assert_equals_the_published_loop(found, candidates, settings)


def assert_equals_the_published_loop(found, candidates, settings=PUBLISHED):
    for ours, of_video in zip(found, rows(candidates), strict=True):
        expected = oracle.soft_nms(
            of_video, settings.alpha, settings.low_threshold, settings.high_threshold, settings.max_proposals
        )
        assert [proposal[:2] for proposal in ours] == [proposal[:2] for proposal in expected]
        assert [proposal[2] for proposal in ours] == pytest.approx([row[2] for row in expected], rel=1e-12)


@pytest.mark.parametrize("levels", [None, 1, 4])
@pytest.mark.parametrize("dscale", [100, 37])
def test_equals_the_published_loop_at_full_size(levels, dscale):
    bm, start, end = random_maps(3, dscale, 100, seed=dscale, levels=levels)
    start[0], end[0] = 0.5, 0.5  # an untrained network: every snippet a likely boundary
    bm[0] = 0.25 + bm[0] / 100
    candidates = score(decode(bm, start, end))
    assert candidates.counts[0] == dscale * 100 - dscale * (dscale - 1) // 2
    assert_equals_the_published_loop(rows(soft_nms(candidates)), candidates)


@pytest.mark.parametrize("reach", [5, 512])
def test_scores_that_vanish_are_selected_once_each(reach):
    candidates = score(decode(*random_maps(2, 10, 10, seed=0)))
    settings = ProposalSettings(alpha=1e-4, low_threshold=0, high_threshold=0)
    with patch.object(suppression, "REACH", reach):
        kept = soft_nms(candidates, settings)
    assert (kept.scores[0, : kept.counts[0]] == 0).any()
    assert_equals_the_published_loop(rows(kept), candidates, settings)


def test_a_threshold_that_is_met_exactly_is_not_passed():
    candidates = batch_of([[(0.0, 1.0, 0.9), (0.0, 0.5, 0.8), (0.5, 1.0, 0.7)]])
    kept = soft_nms(candidates, ProposalSettings(low_threshold=0.5, high_threshold=0.5))
    assert rows(kept) == [[(0.0, 1.0, 0.9), (0.0, 0.5, 0.8)]]


def test_minus_zero_is_zero():
    maps = random_maps(1, 6, 6, seed=0, levels=2)
    negated = tuple(np.where(part == 0, np.float32(-0.0), part) for part in maps)
    assert rows(score(decode(*negated))) == rows(score(decode(*maps)))


def test_equal_scores_keep_the_order_of_decoding():
    candidates = score(decode(np.ones((1, 2, 30, 60), np.float32), np.ones((1, 60), np.float32), np.ones((1, 60))))
    cells = [(t, t + d + 1) for d in range(30) for t in range(60) if t + d < 60]
    np.testing.assert_allclose(np.stack([candidates.starts[0], candidates.ends[0]], axis=1) * 60, cells)
    assert_equals_the_published_loop(rows(soft_nms(candidates)), candidates)


@given(outputs(), settings)
def test_a_batch_gives_what_its_videos_give(maps, settings):
    def kept(maps):
        return rows(soft_nms(score(decode(*maps), settings), settings))

    assert kept(maps) == [kept([part[[video]] for part in maps])[0] for video in range(len(maps[0]))]


@given(outputs(), st.data())
def test_some_videos_have_the_candidates_that_they_had(maps, data):
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(maps[0]), max_size=len(maps[0]))))
    candidates = decode(*maps)
    wanted = [video for video, is_chosen in zip(rows(score(candidates)), chosen, strict=True) if is_chosen]
    assert rows(score(candidates.of(chosen))) == wanted


@given(outputs(), settings)
def test_kept_proposals_are_candidates_with_scores_that_never_rise(maps, settings):
    candidates = score(decode(*maps), settings)
    kept = soft_nms(candidates, settings)
    for ours, given_ones in zip(rows(kept), rows(candidates), strict=True):
        scores = {candidate[:2]: candidate[2] for candidate in given_ones}
        assert all(score <= scores[start, end] for start, end, score in ours)
        assert len({proposal[:2] for proposal in ours}) == len(ours)
        assert [proposal[2] for proposal in ours] == sorted((p[2] for p in ours), reverse=True)
        remaining = 1 if len(given_ones) > 1 else 0
        assert len(ours) == min(len(given_ones) - remaining, settings.max_proposals)


def test_the_only_candidate_is_kept_as_it_is():
    candidates = score(decode(np.full((1, 2, 1, 1), 0.5), np.full((1, 1), 0.5), np.full((1, 1), 0.5)))
    assert rows(soft_nms(candidates)) == rows(candidates) == [[(0.0, 1.0, 0.0625)]]


def test_a_video_without_candidates_has_no_proposals():
    start, end = np.zeros((2, 4)), np.zeros((2, 4))
    end[1, 1] = 1  # within D = 2 of the first start, as the last end is not
    found = soft_nms(score(decode(np.ones((2, 2, 2, 4)), start, end)))
    assert found.counts.tolist() == [0, 1]
    assert [len(of_video) for of_video in in_seconds(found, np.full(2, 10.0), np.full(2, 10.0))] == [0, 1]


def test_windows_of_a_long_video_are_suppressed_together():
    """Candidates of overlapping windows, shifted to their place in units of a window, as one row."""
    offsets = 0.5 * np.arange(40)
    windows = rows(score(decode(*random_maps(40, 10, 10, seed=0))))
    merged = [
        (start + offset, end + offset, score)
        for offset, candidates in zip(offsets, windows, strict=True)
        for start, end, score in candidates
    ]
    candidates = batch_of([merged, windows[0]])
    kept = soft_nms(candidates)
    assert_equals_the_published_loop(rows(kept), candidates)
    long, short = in_seconds(kept, units=np.array([10.0, 10.0]), durations=np.array([200.0, 10.0]))
    np.testing.assert_allclose(long[:, :2], 10 * np.minimum(np.array(rows(kept)[0])[:, :2], 20.0))
    np.testing.assert_allclose(short[:, :2], 10 * np.array(rows(kept)[1])[:, :2])


@given(outputs(), outputs())
def test_batches_concatenated_keep_their_videos(some, more):
    batches = [decode(*some), decode(*more)]
    assert rows(score(concatenate(batches))) == [video for batch in batches for video in rows(score(batch))]


def test_seconds_are_cut_to_the_video():
    batch = batch_of([[(0.0, 0.5, 0.9), (0.25, 1.25, 0.8)]])
    [found] = in_seconds(batch, np.array([8.0]), np.array([8.0]))
    assert found.tolist() == [[0.0, 4.0, 0.9], [2.0, 8.0, 0.8]]
    assert results(found) == [{"score": 0.9, "segment": [0.0, 4.0]}, {"score": 0.8, "segment": [2.0, 8.0]}]


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5])
def test_outputs_that_are_not_probabilities_are_refused(part, value):
    maps = random_maps(2, 4, 4, seed=1)
    maps[part].reshape(2, -1)[1, 0] = value  # the first start, the first end or the cell of the first snippet
    maps[1][1, 0] = maps[1][1, 0] if part == 1 else 1
    maps[2][1, 0] = maps[2][1, 0] if part == 2 else 1
    with pytest.raises(BmnError, match="NaN, infinite or negative"):
        decode(*maps)
