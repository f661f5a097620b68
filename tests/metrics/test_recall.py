import golden
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import evaluation as oracle

from bmn.base.errors import BmnError
from bmn.metrics import AVERAGE_NUMBERS, proposal_recall, recall


@st.composite
def subsets(draw):
    """Ground truth and proposals: videos without one or the other, unknown videos, equal scores and times."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    truth, proposals = {}, {}
    for video in range(draw(st.integers(1, 6))):
        truth[f"v{video}"] = segments(random, draw(st.integers(0 if video else 1, 4)))
        if draw(st.integers(0, 4)):
            proposals[f"v{video}"] = with_scores(random, segments(random, draw(st.integers(0, 30))))
    if draw(st.booleans()):
        proposals["unknown"] = with_scores(random, segments(random, draw(st.integers(0, 300))))
    return truth, proposals


def segments(random, number):
    start = random.integers(0, 20, number)
    return np.stack([start, start + random.integers(0, 20, number)], axis=1).astype(float)


def with_scores(random, rows):
    return np.column_stack([rows, random.integers(0, 8, len(rows)) / 8])


def assert_official(found, expected):
    np.testing.assert_allclose(found.average_recall, expected["average_recall"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(AVERAGE_NUMBERS, expected["proposals_per_video"], rtol=0, atol=1e-9)
    for name, value in found.headline().items():
        assert value == pytest.approx(expected[name], rel=0, abs=1e-9), name


@pytest.mark.parametrize("case", ["plain", "full"])
def test_equals_the_official_evaluator(case):
    found = proposal_recall(golden.ground_truth(), golden.proposals(case))
    assert_official(found, golden.read("evaluation.json")[case])


def test_equals_the_official_evaluator_given_its_order_of_equal_scores():
    expected, proposals = golden.read("evaluation.json"), golden.proposals("tied")
    for video, order in expected["order_of_tied"].items():
        proposals[video] = [proposals[video][place] for place in order]
    assert_official(proposal_recall(golden.ground_truth(), proposals), expected["tied"])


def test_in_any_order_of_equal_scores_the_figures_lie_where_an_order_can_put_them():
    truth, proposals = golden.ground_truth(), golden.proposals("tied")
    (_, lowest, least), (_, highest, most) = (oracle.evaluate(truth, proposals, luck=luck) for luck in (-1, 1))
    official = golden.read("evaluation.json")["tied"]
    found = [(np.array(official["average_recall"]), official["AUC"])]
    random = np.random.default_rng(0)
    for _ in range(10):
        shuffled = {
            video: [rows[place] for place in random.permutation(len(rows))] for video, rows in proposals.items()
        }
        ours = proposal_recall(truth, shuffled)
        found.append((ours.average_recall, ours.auc))
    assert len({auc for _, auc in found}) > 5
    for curve, auc in found:
        assert np.all(lowest - 1e-9 <= curve)
        assert np.all(curve <= highest + 1e-9)
        assert least - 1e-9 <= auc <= most + 1e-9


@given(subsets())
def test_equals_the_loops(subset):
    truth, proposals = subset
    found = proposal_recall(truth, proposals)
    try:
        recall, average, auc = oracle.evaluate(truth, proposals)
    except ZeroDivisionError:
        assert not found.recall.any()
        return
    np.testing.assert_allclose(found.recall, recall, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.average_recall, average, rtol=0, atol=1e-12)
    assert found.auc == pytest.approx(auc, abs=1e-9)
    assert 100 * found.areas.sum() / found.segments.sum() == pytest.approx(auc, abs=1e-9)


@given(subsets(), st.integers(1, 40))
def test_blocks_do_not_change_the_result(subset, pairs):
    whole = proposal_recall(*subset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recall, "BLOCK", pairs)
        blocks = proposal_recall(*subset)
    assert np.array_equal(whole.recall, blocks.recall)
    assert all(np.array_equal(whole.best_tiou[video], blocks.best_tiou[video]) for video in whole.best_tiou)


@given(subsets())
def test_recall_rises_with_the_number_and_falls_with_the_threshold(subset):
    recall = proposal_recall(*subset).recall
    assert recall.shape == (10, 100)
    assert recall.min() >= 0
    assert recall.max() <= 1
    assert np.all(np.diff(recall, axis=1) >= 0)
    assert np.all(np.diff(recall, axis=0) <= 0)


@given(subsets(), st.floats(1e-6, 1e6))
def test_neither_the_order_of_videos_nor_the_scale_of_scores_matters(subset, scale):
    truth, proposals = subset
    other = proposal_recall(
        dict(reversed(truth.items())),
        {video: rows * [1, 1, scale] for video, rows in reversed(proposals.items())},
    )
    assert np.array_equal(proposal_recall(truth, proposals).recall, other.recall)


@given(subsets())
def test_the_truth_as_proposals_is_recalled_whole(subset):
    longer = np.array([0, 1])  # no segment without a length
    truth = {video: rows + longer for video, rows in subset[0].items()}
    proposals = {video: np.column_stack([rows, np.ones(len(rows))]) for video, rows in truth.items()}
    found = proposal_recall(truth, proposals)
    most = max(map(len, truth.values()))
    assert np.all(found.recall[:, most:] == 1)
    assert found.ar_at(100) == 100
    assert all(np.all(best == 1) for best in found.best_tiou.values())


def test_one_segment_and_one_proposal():
    found = proposal_recall({"v": [[0, 10]]}, {"v": [[0, 8, 0.5]]})
    assert found.best_tiou["v"].tolist() == [0.8]
    assert found.recall[:, 0].tolist() == [1] * 7 + [0] * 3  # 0.5, 0.55 … 0.8 of 0.5 … 0.95
    assert found.headline() == pytest.approx({"AR@1": 70, "AR@5": 70, "AR@10": 70, "AR@100": 70, "AUC": 69.3})


def test_whole_numbers_are_times_and_scores_too():
    assert proposal_recall({"v": [[0, 2]]}, {"v": [[0, 1, 1]]}).best_tiou["v"].tolist() == [0.5]


def test_best_tiou_follows_the_order_of_the_ground_truth():
    truth = {"b": [[0, 1], [4, 8]], "none": [], "a": [[0, 2]]}
    found = proposal_recall(truth, {"a": [[1, 2, 0.1]], "b": [[4, 8, 0.2], [0, 4, 0.1]]})
    assert {video: best.tolist() for video, best in found.best_tiou.items()} == {"b": [0.25, 1], "a": [0.5]}


def test_proposals_of_unknown_videos_take_from_the_share():
    truth = {"v": [[0, 10]]}
    worse = [[20 + i, 30 + i, 1.0] for i in range(99)]
    found = {"v": [*worse, [0, 10, 0.5]]}
    assert proposal_recall(truth, found).ar_at(100) == 100
    assert proposal_recall(truth, found | {"unknown": [[0, 1, 0.5]]}).ar_at(100) == 0


@pytest.mark.parametrize("proposals", [{}, {"v": []}, {"unknown": [[0, 1, 0.5]]}])
def test_without_proposals_nothing_is_recalled(proposals):
    found = proposal_recall({"v": [[0, 10]]}, proposals)
    assert not found.recall.any()
    assert found.auc == 0


@pytest.mark.parametrize("truth", [{}, {"a": [], "b": []}])
def test_ground_truth_without_segments_is_refused(truth):
    with pytest.raises(BmnError, match="no segments in the"):
        proposal_recall(truth, {"a": [[0, 1, 0.5]]})
