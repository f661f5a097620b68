"""Detection: proposals with class labels, and their mAP as computed by ActivityNet's official evaluator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.base.errors import BmnError
from bmn.metrics.recall import TIOU_THRESHOLDS
from bmn.metrics.tiou import tiou

Floats = NDArray[np.float64]

CLASSES_PER_VIDEO = 2  # the likeliest, as is usual with the CUHK scores


@dataclass(frozen=True)
class Classifier:
    """Class scores of whole videos.

    Attributes:
        classes: ``[class]``.
        scores: video (without ``v_``) → ``[class]``.
    """

    classes: Sequence[str]
    scores: Mapping[str, NDArray[np.float64]]


def detections(proposals: Mapping[str, ArrayLike], classifier: Classifier) -> dict[str, dict[str, Floats]]:
    """Label every proposal with the two likeliest classes of its video, multiplying its score by the class score.

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
        for likely in np.argsort(-scores, kind="stable")[:CLASSES_PER_VIDEO]:
            found.setdefault(classifier.classes[likely], {})[video] = rows * [1, 1, scores[likely]]
    return found


def mean_average_precision(
    ground_truth: Mapping[str, Sequence[tuple[float, float, str]]], detected: Mapping[str, Mapping[str, ArrayLike]]
) -> Floats:
    """The mAP at each tIoU threshold, in percent, over the classes that have segments.

    As in the official evaluator, the detections of a class, over all videos, are processed by decreasing score. Each
    is matched to the unmatched segment of its class with the highest tIoU, if that reaches the threshold, and is a
    false positive otherwise. Precision is interpolated to be non-increasing in recall and integrated over recall. Ties
    keep the order given (the official order is arbitrary).

    Args:
        ground_truth: video → (start, end, class) of each segment, in seconds.
        detected: class → video → ``[detection, 3]`` (start, end, score).

    Returns:
        ``[tIoU]``, in the order of ``TIOU_THRESHOLDS``.

    Raises:
        BmnError: the ground truth has no segments.
    """
    by_class: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for video, segments in ground_truth.items():
        for start, end, label in segments:
            by_class.setdefault(label, {}).setdefault(video, []).append((start, end))
    if not by_class:
        raise BmnError("no segments to compare detections with; check the subset's name and its annotations")
    precisions = [_average_precision(truth, detected.get(label, {})) for label, truth in by_class.items()]
    mean: Floats = 100 * np.mean(precisions, axis=0)
    return mean


def _average_precision(truth: Mapping[str, list[tuple[float, float]]], detected: Mapping[str, ArrayLike]) -> Floats:
    """``[tIoU]``: the average precision of one class, as a fraction."""
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
    """``[detection, tIoU]``: whether each detection is matched to a segment; videos are matched independently."""
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
