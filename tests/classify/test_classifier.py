import io

import numpy as np
import pytest

from bmn.base.errors import BmnError
from bmn.classify.classifier import SegmentClassifier, by_class, read_classifier, write_classifier
from bmn.classify.results import labelled_results
from bmn.data.windows import Window


@pytest.fixture
def classifier():
    """Two channels; the first speaks for "a" in the middle third, the second for "b"."""
    weights = np.zeros((10, 3), np.float32)
    weights[4, 0] = weights[5, 1] = 3
    return SegmentClassifier(("a", "b"), weights, np.zeros(3, np.float32))


def test_every_proposal_has_its_likeliest_classes_and_keeps_its_time(classifier):
    features = np.zeros((1, 2, 10), np.float32)
    features[0, 0, :5] = features[0, 1, 5:] = 1
    rows = np.array([[0.0, 5.0, 0.5], [5.0, 10.0, 0.4]])
    found = classifier.detect(features, [Window("v", 0.0, 10.0)], rows)
    likely = np.exp(3) / (np.exp(3) + 2)
    np.testing.assert_allclose(found["a"][:, :2], rows[:, :2])
    np.testing.assert_allclose(found["a"][0, 2], 0.5 * likely, rtol=1e-6)
    np.testing.assert_allclose(found["b"][1, 2], 0.4 * likely, rtol=1e-6)
    best = labelled_results(found)
    assert [(each["label"], each["segment"]) for each in best[:2]] == [("a", [0, 5]), ("b", [5, 10])]
    assert [each["score"] for each in best] == sorted((each["score"] for each in best), reverse=True)
    assert by_class({"v": found, "w": found})["a"].keys() == {"v", "w"}


def test_without_proposals_nothing_is_detected(classifier):
    assert classifier.detect(np.zeros((1, 2, 10), np.float32), [Window("v", 0.0, 10.0)], np.empty((0, 3))) == {}


def test_that_there_is_none_is_a_file_too(tmp_path):
    write_classifier(tmp_path / "none.npz", None)
    assert read_classifier(tmp_path / "none.npz") is None


def saved(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no such file"),
        (b"PK", "is not a classifier of segments"),
        (saved(classes=np.array(["a"])), "is not a classifier of segments"),
        (saved(classes=np.array([{}], object), weights=np.ones(1), bias=np.ones(1)), "is not a classifier of segments"),
        (saved(classes=np.array(["a"]), weights=np.ones((4, 3)), bias=np.ones(3)), "do not fit each other"),
    ],
)
def test_a_bad_file_ends_with_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "classifier.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BmnError, match=sentence) as raised:
        read_classifier(path)
    assert str(path) in str(raised.value)
