import numpy as np
import pytest

from bmn.config import Dimension, ProposalsParams
from bmn.evaluation import proposal_recall
from bmn.proposals import SoftNMS, concatenate, decode, in_seconds, soft_nms
from bmn.tuning.proposal_search import SEARCHED_ON, Decoded, search

SPACE = {
    "proposals.alpha": Dimension(low=0.05, high=1.0, log=True),
    "proposals.low_threshold": Dimension(low=0.2, high=0.9),
    "proposals.high_threshold": Dimension(low=0.6, high=1.0),
}
PRESENT = ProposalsParams()


def make_decoded(videos, tscale=12, seed=0):
    """Random maps that know something of the truth."""
    rng = np.random.default_rng(seed)
    durations = rng.uniform(20, 200, videos)
    maps = rng.random((videos, 2, tscale, tscale), dtype=np.float32)
    start, end = rng.random((2, videos, tscale), dtype=np.float32)
    truth = {}
    for row in range(videos):
        first, last = np.sort(rng.choice(tscale, 2, replace=False))
        start[row, first] += 1
        end[row, last] += 1
        maps[row, :, last - first, first] += 1
        truth[f"v{row}"] = [(first / tscale * durations[row], (last + 1) / tscale * durations[row])]
    return Decoded(list(truth), decode(maps, start, end), durations, durations, truth)


def test_the_auc_is_that_of_the_pipeline():
    decoded = make_decoded(20)
    settings = ProposalsParams(alpha=0.7, low_threshold=0.3, high_threshold=0.8, max_proposals=40)
    rows = in_seconds(soft_nms(decoded.candidates, SoftNMS(0.7, 0.3, 0.8, 40)), decoded.durations)
    expected = proposal_recall(decoded.truth, dict(zip(decoded.videos, rows, strict=True))).auc
    assert decoded.auc(settings) == expected


def test_the_two_parts_share_no_video_and_miss_none():
    decoded = make_decoded(21)
    searched, reported = decoded.split()
    assert (len(searched.videos), len(reported.videos)) == (10, 11)
    assert sorted([*searched.videos, *reported.videos]) == sorted(decoded.videos)
    for part in (searched, reported):
        assert part.truth.keys() == set(part.videos)
        for video, count, duration in zip(part.videos, part.candidates.counts, part.durations, strict=True):
            row = decoded.videos.index(video)
            assert duration == decoded.durations[row]
            assert count == decoded.candidates.counts[row]
            np.testing.assert_array_equal(
                part.candidates.scores[part.videos.index(video), :count], decoded.candidates.scores[row, :count]
            )


def test_a_video_is_always_on_the_same_side():
    few, more = make_decoded(10), make_decoded(10, seed=1)
    assert [part.videos for part in few.split()] == [part.videos for part in more.split()]


def test_no_more_videos_are_searched_on_than_needed():
    one = make_decoded(2, tscale=4)
    count = 2 * SEARCHED_ON + 50
    names = [f"w{row}" for row in range(count)]
    candidates, ones = concatenate([one.candidates] * (count // 2)), np.ones(count)
    many = Decoded(names, candidates, ones, ones, {name: [(0.0, 0.5)] for name in names})
    assert [len(part.videos) for part in many.split()] == [SEARCHED_ON, count - SEARCHED_ON]


def hill(settings):
    """Best at alpha 0.2 and thresholds 0.4 and 0.7."""
    return (
        -(np.log(settings.alpha / 0.2) ** 2)
        - (settings.low_threshold - 0.4) ** 2
        - (settings.high_threshold - 0.7) ** 2
    )


def test_the_search_finds_the_top_of_a_hill():
    best, value = search(hill, SPACE, PRESENT, 400)
    assert value == hill(best)
    assert (best.alpha, best.low_threshold, best.high_threshold) == pytest.approx((0.2, 0.4, 0.7), abs=0.06)


def test_the_present_settings_are_tried_first_and_win_if_nothing_is_better():
    tried = []

    def only_the_first(settings):
        tried.append(settings)
        return float(len(tried) == 1)

    assert search(only_the_first, SPACE, PRESENT, 30) == (PRESENT, 1.0)
    assert len(tried) == 30
    assert all(settings.low_threshold <= settings.high_threshold for settings in tried)


def test_a_search_again_finds_the_same():
    decoded = make_decoded(8)
    assert search(decoded.auc, SPACE, PRESENT, 25) == search(decoded.auc, SPACE, PRESENT, 25)


def test_a_search_is_never_worse_on_what_it_searches():
    decoded = make_decoded(30)
    assert search(decoded.auc, SPACE, PRESENT, 40)[1] >= decoded.auc(PRESENT)
