import numpy as np
import pytest
from classify.made import CLASSES, make, proposals

from bmn.base.schema import ClassifyParams
from bmn.classify.classifier import read_classifier, write_classifier
from bmn.classify.fit import fit
from bmn.classify.pooling import pooled
from bmn.classify.subset import subset_detections
from bmn.metrics.detection import assess_detections

SETTINGS = ClassifyParams(penalty=1.0)


@pytest.fixture(scope="module", params=["resize", "window"])
def data(request, tmp_path_factory):
    return make(tmp_path_factory.mktemp("made") / request.param, request.param)


@pytest.fixture(scope="module")
def classifier(data):
    return fit(data[0], proposals(data[0]), SETTINGS)


def truth(subset):
    return {video.id: [(s.start, s.end, s.label) for s in video.segments] for video in subset.ground_truth}


def true_probabilities(classifier, subset):
    """For each annotated segment how likely its class is said to be, and whether it is the likeliest."""
    likely, right = [], []
    for video, rows in subset.rows_by_video().items():
        segments = subset.videos[video].segments
        windows = [subset.store.windows[row] for row in rows]
        vectors = pooled(subset.store.read(rows), windows, np.array([(s.start, s.end) for s in segments]))
        for row, segment in zip(classifier.probabilities(vectors), segments, strict=True):
            likely.append(row[CLASSES.index(segment.label)])
            right.append(row.argmax() == CLASSES.index(segment.label))
    return np.array(likely), np.array(right)


def test_it_tells_classes_apart_even_where_only_the_context_does(classifier, data):
    _, right = true_probabilities(classifier, data[1])
    assert right.mean() > 0.9


def test_its_probabilities_are_honest(classifier, data):
    """It is as sure as it is right, and surest of nothing where there is nothing."""
    likely, right = true_probabilities(classifier, data[1])
    assert abs(likely.mean() - right.mean()) < 0.15
    rest = []
    for video, rows in data[1].rows_by_video().items():
        windows = [data[1].store.windows[row] for row in rows]
        empty = np.array([[0.0, 2.0], [data[1].videos[video].duration - 2.0, data[1].videos[video].duration]])
        rest.append(1 - classifier.probabilities(pooled(data[1].store.read(rows), windows, empty)).sum(axis=1))
    assert np.mean(rest) > 0.5


def test_labels_come_close_to_what_true_labels_would_give(classifier, data):
    found = proposals(data[1], seed=2)
    own = assess_detections(truth(data[1]), subset_detections(classifier, data[1], found)).metrics()["mAP@0.5"]
    assert own > 80


def test_it_learns_nothing_from_validation(classifier, data):
    """Same training videos, same bits, whatever order and threads there are."""
    again = fit(data[0], proposals(data[0]), SETTINGS)
    np.testing.assert_array_equal(classifier.weights, again.weights)
    np.testing.assert_array_equal(classifier.bias, again.bias)


def test_its_file_is_plain_and_the_same_for_the_same(classifier, tmp_path):
    for name in ("one", "two"):
        write_classifier(tmp_path / f"{name}.npz", classifier)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    read = read_classifier(tmp_path / "one.npz")
    assert read.classes == CLASSES
    np.testing.assert_array_equal(read.weights, classifier.weights)
    with np.load(tmp_path / "one.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["bias", "classes", "weights"]


def test_two_labels_at_one_time_are_both_given(tmp_path):
    training, validation = make(tmp_path / "both", both=True)
    classifier = fit(training, proposals(training), SETTINGS)
    found = assess_detections(truth(validation), subset_detections(classifier, validation, proposals(validation)))
    assert dict(zip(found.classes, found.precision[:, 2], strict=True))["seen"] > 80
    assert found.metrics()["mAP@0.5"] > 65


def test_with_one_label_there_is_nothing_to_learn(tmp_path):
    training, _ = make(tmp_path / "one", labels=("wave",))
    assert fit(training, proposals(training), SETTINGS) is None


def test_a_class_with_one_segment_and_few_videos_are_learned_from(tmp_path):
    training, _ = make(tmp_path / "few", videos=6)
    classifier = fit(training, {}, SETTINGS)  # and no background at all
    assert np.isfinite(classifier.weights).all()
    likely = classifier.probabilities(np.zeros((1, len(classifier.weights)), np.float32))
    assert np.isfinite(likely).all()
    assert likely.sum() == pytest.approx(1)
