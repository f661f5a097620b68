import pytest

from bmn.base.errors import BmnError
from bmn.classify.labels import check_labels
from bmn.data.videos import Segment, Video


def videos(*labels):
    return [Video("v", "training", 100.0, tuple(Segment(n, n + 1, label) for n, label in enumerate(labels)))]


def test_sound_labels_need_no_word():
    assert check_labels(videos("a", "a", "b", "b"), videos("a")) == []


@pytest.mark.parametrize("other", ["long jump", "Long  Jump", "Long Jump ", "LongJump"])
def test_labels_that_differ_by_case_or_spaces_are_refused(other):
    sentence = f"data.annotations: the labels .*Long Jump.* and .*{other}.*|.*{other}.* differ by case or spaces only"
    for training, validation in ((("Long Jump", other), ()), (("Long Jump", "run"), (other,))):
        with pytest.raises(BmnError, match=sentence):
            check_labels(videos(*training), videos(*validation))


def test_a_label_that_training_does_not_have_is_told():
    [sentence] = check_labels(videos("a", "a", "b", "b"), videos("a", "c"))
    assert sentence.startswith("the label 'c' has no segment in the training subset: it is never given")


def test_one_label_only_is_told():
    [sentence] = check_labels(videos("a", "a"), videos("a"))
    assert sentence == "all segments have the label 'a', so there is nothing to tell apart: no classifier is trained"


def test_a_class_with_one_segment_is_told():
    [sentence] = check_labels(videos("a", "a", "b"), videos("a"))
    assert sentence.startswith("the label 'b' has one segment in the training subset")
