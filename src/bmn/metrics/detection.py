"""Detection: proposals that name a class, and their mAP as ActivityNet's official evaluator computes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.base.errors import BmnError
from bmn.metrics.recall import TIOU_THRESHOLDS
from bmn.metrics.tiou import tiou

Floats = NDArray[np.float64]

CLASSES_A_VIDEO = 2  # the likeliest, as the field does with the CUHK scores


@dataclass(frozen=True)
class Classifier:
    """Scores of whole videos.

    Attributes:
        classes: ``[class]``.
        scores: video (without ``v_``) → ``[class]``.
    """

    classes: Sequence[str]
    scores: Mapping[str, NDArray[np.float64]]


def detections(proposals: Mapping[str, ArrayLike], classifier: Classifier) -> dict[str, dict[str, Floats]]:
    """Give every proposal the two likeliest classes of its video; its score is multiplied by that of the class.

    Args:
        proposals: video → ``[proposal, 3]`` (start, end, score).

    Returns:
        Class → video → ``[detection, 3]``.

    Raises:
        BmnError: the classifier has no scores for a video.
    """
    found: dict[str, dict[str, Floats]] = {}
    for video, given in proposals.items():
        if (scores := classifier.scores.get(video)) is None:
            raise BmnError(f"the classifier has no scores for video {video}; add them to its file")
        rows = np.asarray(given, np.float64).reshape(-1, 3)
        for likely in np.argsort(-scores, kind="stable")[:CLASSES_A_VIDEO]:
            found.setdefault(classifier.classes[likely], {})[video] = rows * [1, 1, scores[likely]]
    return found


def mean_average_precision(
    ground_truth: Mapping[str, Sequence[tuple[float, float, str]]], detected: Mapping[str, Mapping[str, ArrayLike]]
) -> Floats:
    """The mAP at each tIoU threshold, in percent; classes without segments do not count.

    As the official evaluator does: the detections of a class, over all videos, go by falling score; each takes the
    segment of its class that it overlaps most among those not yet taken, if the tIoU reaches the threshold, and is
    false otherwise. The precision is made to fall with the recall, and summed over the steps of recall. Equal scores
    keep the order given (the official order is arbitrary there).

    Args:
        ground_truth: video → (start, end, class) of each segment, seconds.
        detected: class → video → ``[detection, 3]`` (start, end, score).

    Returns:
        ``[tIoU]``, ``TIOU_THRESHOLDS``.

    Raises:
        BmnError: the ground truth holds no segment.
    """
    by_class: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for video, segments in ground_truth.items():
        for start, end, label in segments:
            by_class.setdefault(label, {}).setdefault(video, []).append((start, end))
    if not by_class:
        raise BmnError("no segment to compare detections with; check the subset's name and its annotations")
    precisions = [_average_precision(truth, detected.get(label, {})) for label, truth in by_class.items()]
    mean: Floats = 100 * np.mean(precisions, axis=0)
    return mean


def _average_precision(truth: Mapping[str, list[tuple[float, float]]], detected: Mapping[str, ArrayLike]) -> Floats:
    """``[tIoU]``: the average precision of one class, a fraction."""
    rows = [np.asarray(given, np.float64).reshape(-1, 3) for given in detected.values()]
    scores = np.concatenate([of_video[:, 2] for of_video in rows]) if rows else np.empty(0)
    correct = [
        _correct(of_video, np.array(truth[video]).reshape(-1, 2) if video in truth else np.empty((0, 2)))
        for video, of_video in zip(detected, rows, strict=True)
    ]
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate(correct)[order].cumsum(axis=0) if rows else np.empty((0, len(TIOU_THRESHOLDS)))
    recall = hits / sum(map(len, truth.values()))
    precision = hits / np.arange(1, len(hits) + 1)[:, None]
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(recall, axis=0, prepend=0)
    area: Floats = (steps * falling).sum(axis=0)
    return area


def _correct(rows: Floats, segments: Floats) -> NDArray[np.bool_]:
    """``[detection, tIoU]``: which detections of a video take a segment; videos do not meddle with each other."""
    correct = np.zeros((len(rows), len(TIOU_THRESHOLDS)), bool)
    taken = np.zeros((len(segments), len(TIOU_THRESHOLDS)), bool)
    overlap = tiou(rows[:, 0, None], rows[:, 1, None], segments[:, 0], segments[:, 1])
    near = overlap.max(axis=1, initial=0) >= TIOU_THRESHOLDS[0]
    for place in np.argsort(-rows[:, 2], kind="stable"):
        if not near[place]:
            continue
        for segment in np.argsort(-overlap[place], kind="stable"):
            takes = (overlap[place, segment] >= TIOU_THRESHOLDS) & ~taken[segment] & ~correct[place]
            taken[segment] |= takes
            correct[place] |= takes
    return correct
