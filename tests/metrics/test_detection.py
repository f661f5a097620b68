import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import detection as official
from oracles import evaluation as oracle

from bmn.base.errors import BmnError
from bmn.metrics.detection import AVERAGES, DETECTION_THRESHOLDS, VideoScores, assess_detections, detections


@st.composite
def cases(draw):
    """Truth and detections of few classes on a coarse grid of times; scores all differ."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    videos, classes = [f"v{i}" for i in range(draw(st.integers(1, 4)))], "abc"
    truth = {
        video: [(*span(random), classes[random.integers(2)]) for _ in range(random.integers(4))] for video in videos
    }
    truth[videos[0]] = [*truth[videos[0]], (0.0, 5.0, "a")]
    scores = iter(random.permutation(1000) / 1000)
    detected = {
        label: {
            video: [(*span(random), next(scores)) for _ in range(random.integers(8))] for video in [*videos, "more"]
        }
        for label in classes[: draw(st.integers(0, 3))]
    }
    return truth, detected


def mean(truth, detected):
    """``[tIoU]``, the mAP."""
    return assess_detections(truth, detected).precision.mean(axis=0)


def span(random):
    start = random.integers(0, 10)
    return float(start), float(start + random.integers(1, 8))


@given(cases())
def test_equals_the_loops(case):
    truth, detected = case
    np.testing.assert_allclose(
        mean(truth, detected), oracle.detection_map(truth, detected, DETECTION_THRESHOLDS), atol=1e-9
    )


def test_the_truth_is_detected_whole_and_nothing_else_is_nothing():
    truth = {"v": [(0.0, 5.0, "a"), (6.0, 7.0, "b")]}
    assert mean(truth, {"a": {"v": [[0, 5, 1]]}, "b": {"v": [[6, 7, 1]]}}).tolist() == [100.0] * 12
    assert mean(truth, {}).tolist() == [0.0] * 12


def test_a_second_detection_of_a_segment_is_false():
    truth = {"v": [(0.0, 10.0, "a"), (20.0, 30.0, "a")]}
    twice = {"a": {"v": [[0, 10, 0.9], [0, 10, 0.8], [20, 30, 0.7]]}}
    assert mean(truth, twice)[0] == pytest.approx(100 * (0.5 + 0.5 * 2 / 3))


def test_proposals_take_the_likeliest_classes_of_their_video():
    classifier = VideoScores(["a", "b", "c"], {"x": np.array([0.1, 0.6, 0.3])})
    found = detections({"x": [[0, 1, 0.5]]}, classifier)
    assert {label: rows["x"].tolist() for label, rows in found.items()} == {
        "b": [[0, 1, pytest.approx(0.3)]],
        "c": [[0, 1, pytest.approx(0.15)]],
    }
    with pytest.raises(BmnError, match="no scores for 1 of 1 videos, y among them"):
        detections({"y": [[0, 1, 0.5]]}, classifier)


def test_without_segments_there_is_nothing_to_compare():
    with pytest.raises(BmnError, match="no segment"):
        mean({"v": []}, {})


def test_the_figures_of_the_field_are_averages_over_its_thresholds():
    wanted = {"mAP": np.linspace(0.5, 0.95, 10), "mAP@0.3-0.7": [0.3, 0.4, 0.5, 0.6, 0.7], "mAP@0.75": [0.75]}
    for name, thresholds in wanted.items():
        np.testing.assert_allclose(DETECTION_THRESHOLDS[AVERAGES[name]], thresholds)


@given(cases())
def test_an_interval_is_over_data_sets_in_which_a_video_stands_as_often_as_it_was_drawn(case):
    truth, detected = case
    found = assess_detections(truth, detected)
    drawn = np.random.default_rng(0).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), 1000)[0]
    again = {
        f"{video} {copy}": truth[video] for video, times in zip(truth, drawn, strict=True) for copy in range(times)
    }
    known = {**again, "more": []}
    copies = {
        label: {name: videos[name.split()[0]] for name in known if name.split()[0] in videos}
        for label, videos in detected.items()
    }
    labels = sorted({label for segments in again.values() for *_, label in segments})
    for row, label in enumerate(found.classes):
        if label not in labels:
            assert np.isnan(found.resampled[0, row]).all()
            continue
        wanted = [oracle.average_precision(again, copies, label, t) for t in DETECTION_THRESHOLDS]
        np.testing.assert_allclose(found.resampled[0, row], 100 * np.array(wanted), atol=1e-9)


@st.composite
def crowded(draw):
    """Few times and few scores, so that tIoUs, scores, segments and detections repeat; videos without any of them."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    videos = [f"v{number}" for number in range(draw(st.integers(1, 3)))]
    truth = {video: [(*coarse(random), "a") for _ in range(random.integers(5))] for video in videos}
    truth["v0"] = [*truth["v0"], (0.0, 2.0, "a")]
    scored = [*videos, "elsewhere"][random.integers(2) :]
    found = {
        video: [(*coarse(random), random.integers(1, 4) / 4) for _ in range(random.integers(9))] for video in scored
    }
    return truth, found


def coarse(random):
    start = random.integers(0, 3)
    return float(start), float(start + random.integers(1, 4))


@given(crowded())
def test_ties_duplicates_and_empty_videos_are_as_the_official_evaluation_defines_them(case):
    truth, found = case
    segments = [(video, *span) for video, given in truth.items() for *span, _ in given]
    rows = [(video, *row) for video, given in found.items() for row in given]
    wanted = [100 * official.average_precision(segments, rows, threshold) for threshold in DETECTION_THRESHOLDS]
    np.testing.assert_allclose(assess_detections(truth, {"a": found}).precision[0], wanted, atol=1e-9)
