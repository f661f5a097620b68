from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from bmn.base.schema import Dimension
from bmn.metrics import proposal_recall
from bmn.proposals import ProposalSettings, VideoCandidates, concatenate, decode, in_seconds, score, soft_nms
from bmn.tuning.proposal_search import SEARCHED_ON, Decoded, find, search

SPACE = {
    "proposals.boundary_exponent": Dimension(low=0.25, high=2.0, log=True),
    "proposals.classification_exponent": Dimension(low=0.0, high=2.0),
    "proposals.alpha": Dimension(low=0.05, high=1.0, log=True),
    "proposals.low_threshold": Dimension(low=0.2, high=0.9),
    "proposals.high_threshold": Dimension(low=0.6, high=1.0),
}
PRESENT = ProposalSettings()


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
    return Decoded(VideoCandidates(list(truth), decode(maps, start, end), durations, durations), truth)


def test_the_auc_is_that_of_the_pipeline():
    decoded = make_decoded(20)
    settings = ProposalSettings(
        boundary_exponent=0.5, regression_exponent=2.0, classification_exponent=0.0,
        alpha=0.7, low_threshold=0.3, high_threshold=0.8, max_proposals=40,
    )  # fmt: skip
    videos = decoded.candidates
    rows = in_seconds(soft_nms(score(videos.candidates, settings), settings), videos.units, videos.durations)
    expected = proposal_recall(decoded.truth, dict(zip(videos.videos, rows, strict=True))).auc
    assert decoded.auc(settings) == expected


def test_the_two_parts_share_no_video_and_miss_none():
    decoded = make_decoded(21)
    searched, reported = decoded.split()
    assert (len(searched.truth), len(reported.truth)) == (10, 11)
    assert sorted([*searched.truth, *reported.truth]) == sorted(decoded.truth)
    for part in (searched, reported):
        own, every = part.candidates, decoded.candidates
        assert part.truth.keys() == set(own.videos)
        ours, all_of_them = score(own.candidates), score(every.candidates)
        for place, video in enumerate(own.videos):
            row = every.videos.index(video)
            assert own.durations[place] == every.durations[row]
            count = all_of_them.counts[row]
            assert ours.counts[place] == count
            np.testing.assert_array_equal(ours.scores[place, :count], all_of_them.scores[row, :count])


def test_a_video_is_always_on_the_same_side():
    few, more = make_decoded(10), make_decoded(10, seed=1)
    assert [list(part.truth) for part in few.split()] == [list(part.truth) for part in more.split()]


def test_no_more_videos_are_searched_on_than_needed():
    one = make_decoded(2, tscale=4)
    count = 2 * SEARCHED_ON + 50
    names = [f"w{row}" for row in range(count)]
    candidates, ones = concatenate([one.candidates.candidates] * (count // 2)), np.ones(count)
    many = Decoded(VideoCandidates(names, candidates, ones, ones), {name: [(0.0, 0.5)] for name in names})
    assert [len(part.truth) for part in many.split()] == [SEARCHED_ON, count - SEARCHED_ON]


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


CLASSIFICATION = {"proposals.classification_exponent": Dimension(low=0.0, high=2.0)}


def make_misled(videos):
    """The longer a candidate, the more the classification channel promises, whatever the truth."""
    decoded = make_decoded(videos)
    candidates = decoded.candidates.candidates
    misleading = ((candidates.ends - candidates.starts) ** 8).astype(np.float32)
    misled = replace(decoded.candidates, candidates=candidates._replace(classification=misleading))
    return replace(decoded, candidates=misled)


def test_a_part_of_the_score_that_misleads_is_found_out():
    decoded = make_misled(40)
    best, auc = search(decoded.auc, CLASSIFICATION, PRESENT, 40)
    assert best.classification_exponent < 0.2
    assert auc == decoded.auc(best) > decoded.auc(PRESENT)


def test_what_is_found_is_taken_where_it_helps_on_other_videos():
    decoded = make_misled(60)
    found, _ = search(decoded.auc, CLASSIFICATION, PRESENT, 20)
    assert find(decoded, CLASSIFICATION, PRESENT, 20) == found != PRESENT


@pytest.mark.parametrize("seed", range(3))
def test_what_is_only_lucky_is_not_taken(seed):
    """The maps know nothing of the truth, so no settings are better than others."""
    decoded = make_decoded(30, seed=seed)
    rows = np.random.default_rng(seed).permutation(list(decoded.truth.values()))
    decoded = replace(decoded, truth=dict(zip(decoded.truth, map(list, rows), strict=True)))
    assert search(decoded.auc, SPACE, PRESENT, 30)[1] > decoded.auc(PRESENT)
    assert find(decoded, SPACE, PRESENT, 30) == PRESENT


def test_exponents_that_would_ignore_everything_are_not_tried():
    names = [f"{part}_exponent" for part in ("boundary", "regression", "classification")]
    tried = []

    def remember(params):
        tried.append(tuple(getattr(params, name) for name in names))
        return 0.0

    search(remember, {f"proposals.{name}": Dimension(choices=[0.0, 1.0]) for name in names}, PRESENT, 200)
    assert len(tried) == 200
    assert set(tried) == set(product((0.0, 1.0), repeat=3)) - {(0.0, 0.0, 0.0)}
