import numpy as np
import pytest

from bmn.data.videos import Segment, Video
from bmn.metrics import proposal_recall
from bmn.metrics.assessment import assess
from bmn.metrics.breakdown import by_length, by_number, what_proposals_are
from bmn.metrics.intervals import intervals, video_results


@pytest.fixture(scope="module")
def subset():
    random = np.random.default_rng(0)
    truth, proposals = {}, {}
    for video in range(60):
        start = random.uniform(0, 80, random.integers(1, 10))
        truth[f"v{video}"] = np.stack([start, start + random.uniform(0.5, 20, len(start))], axis=1)
        around = truth[f"v{video}"][random.integers(len(start), size=50)] + random.normal(0, 3, (50, 2))
        proposals[f"v{video}"] = np.column_stack([np.sort(around, axis=1), random.random(50)])
    return truth, proposals


def test_the_parts_make_the_whole(subset):
    recall = proposal_recall(*subset)
    segments = recall.segments.sum()
    for parts in (by_length(recall, subset[0], dict.fromkeys(subset[0], 100.0)), by_number(recall)):
        assert sum(part.segments for part in parts) == segments
        whole = sum(part.segments * part.average_recall for part in parts if part.segments) / segments
        assert whole == pytest.approx(recall.ar_at(100))


def test_groups_by_hand():
    truth = {"a": [[0, 5], [50, 60], [60, 100]], "b": [[0, 100]]}
    proposals = {"a": [[0, 5, 0.9], [50, 52.5, 0.8]], "b": []}
    recall = proposal_recall(truth, proposals)
    lengths = by_length(recall, truth, {"a": 100.0, "b": 100.0})
    assert [(part.segments, part.average_recall) for part in lengths] == [
        (1, 100.0), (1, 0.0), (0, None), (1, 0.0), (1, 0.0),
    ]  # fmt: skip
    assert [part.badly_localised for part in lengths] == [0.0, 100.0, None, 0.0, 0.0]
    assert [part.missed for part in lengths] == [0.0, 0.0, None, 100.0, 100.0]
    assert [(part.name, part.segments) for part in by_number(recall)] == [
        ("1", 1), ("2–3", 3), ("4–7", 0), ("8 or more", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("segments", "expected"),
    [([(0, 5), (50, 60), (60, 100)], {"AR@100_short": 50.0}), ([(60, 100)], {})],
)
def test_recall_of_short_segments_by_hand(segments, expected):
    """Half of those of at most a tenth of the video are found; the long one does not count."""
    video = Video("v", "validation", 100.0, tuple(Segment(*segment, "label") for segment in segments))
    assert assess([video], {"v": np.array([[0, 5, 0.9]])}).of_short() == expected


def test_kinds_of_proposals_by_hand():
    truth = {"v": [[0, 10], [20, 30]]}
    rows = [[0, 10, 0.9], [1, 10, 0.8], [20, 24, 0.7], [20, 29, 0.6], [50, 60, 0.5]]
    kinds = what_proposals_are(truth, {"v": rows})
    assert kinds[:6].argmax(axis=1).tolist()[:5] == [0, 1, 2, 0, 3]
    assert kinds.sum(axis=1).tolist() == [1.0] * 5 + [0.0] * 15


def test_intervals_hold_the_figures_and_narrow_with_more_videos(subset):
    truth, proposals = subset
    recall = proposal_recall(truth, proposals)
    found = intervals(video_results(recall))
    assert found == intervals(video_results(recall))
    for name, (low, high) in found.items():
        assert low < recall.headline()[name] < high
    many = {f"{name}{copy}": rows for copy in range(9) for name, rows in truth.items()}
    more = {f"{name}{copy}": rows for copy in range(9) for name, rows in proposals.items()}
    low, high = intervals(video_results(proposal_recall(many, more)))["AUC"]
    assert (high - low) == pytest.approx((found["AUC"][1] - found["AUC"][0]) / 3, rel=0.2)


def test_intervals_are_those_of_subsets_drawn_anew(subset):
    """Each draw, evaluated as a subset of its own: the granted share moves little, and so do the quantiles."""
    truth, proposals = subset
    random = np.random.default_rng(1)
    drawn = []
    for _ in range(200):
        chosen = [(f"{copy}", list(truth)[video]) for copy, video in enumerate(random.integers(len(truth), size=60))]
        drawn.append(proposal_recall({c: truth[v] for c, v in chosen}, {c: proposals[v] for c, v in chosen}).auc)
    low, high = intervals(video_results(proposal_recall(truth, proposals)))["AUC"]
    assert (low, high) == pytest.approx(np.percentile(drawn, (2.5, 97.5)), abs=(high - low) / 4)
