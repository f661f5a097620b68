"""What is wrong with labels, told before a training that would learn from them."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from bmn.base.errors import BmnError
from bmn.data.videos import Video


def label_counts(videos: Iterable[Video]) -> Counter[str]:
    """How many segments each label has."""
    return Counter(segment.label for video in videos for segment in video.segments)


def alike(label: str) -> str:
    """A label without its case and spaces: the same for labels that a person would not tell apart."""
    return "".join(label.casefold().split())


def check_labels(training: Iterable[Video], validation: Iterable[Video]) -> list[str]:
    """What a person should know of the labels, a sentence each.

    Raises:
        BmnError: labels differ by case or spaces alone, so that one class would be learned as two.
    """
    learned, asked = label_counts(training), label_counts(validation)
    by_form: dict[str, list[str]] = defaultdict(list)
    for label in sorted({*learned, *asked}):
        by_form[alike(label)].append(label)
    for labels in by_form.values():
        if len(labels) > 1:
            raise BmnError(
                f"data.annotations: the labels {' and '.join(map(repr, labels))} differ by case or spaces only; write "
                "them alike, or set classify.enabled to false"
            )
    if len(learned) == 1:
        [label] = learned
        return [f"all segments have the label {label!r}, so there is nothing to tell apart: no classifier is trained"]
    found = [
        f"the label {label!r} has no segment in the training subset: it is never given, and counts as missed"
        for label in sorted(asked.keys() - learned.keys())
    ]
    found += [
        f"the label {label!r} has one segment in the training subset: what is learned of it rests on that alone"
        for label, number in sorted(learned.items())
        if number == 1
    ]
    return found
