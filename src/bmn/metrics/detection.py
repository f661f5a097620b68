"""Detection: proposals with class labels, and their mAP as computed by ActivityNet's official evaluator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.base.errors import BmnError
from bmn.metrics.intervals import RESAMPLES, TAILS
from bmn.metrics.recall import TIOU_THRESHOLDS
from bmn.metrics.tiou import tiou

Floats = NDArray[np.float64]

CLASSES_PER_VIDEO = 2  # the likeliest, as is usual with the CUHK scores
DETECTION_THRESHOLDS: Floats = np.concatenate([[0.3, 0.4], TIOU_THRESHOLDS])
AVERAGES = {  # indices of thresholds: the average of ActivityNet and HACS, that of THUMOS-14, and single thresholds
    "mAP": list(range(2, 12)),
    "mAP@0.3-0.7": [0, 1, 2, 4, 6],
    **{f"mAP@{name}": [place] for name, place in (("0.3", 0), ("0.5", 2), ("0.7", 6), ("0.75", 7), ("0.95", 11))},
}


@dataclass(frozen=True)
class VideoScores:
    """Class scores of whole videos.

    Attributes:
        classes: ``[class]``.
        scores: video (without ``v_``) → ``[class]``.
    """

    classes: Sequence[str]
    scores: Mapping[str, NDArray[np.float64]]


def detections(proposals: Mapping[str, ArrayLike], classifier: VideoScores) -> dict[str, dict[str, Floats]]:
    """Label every proposal with the two likeliest classes of its video, multiplying its score by the class score.

    Args:
        proposals: video → ``[proposal, 3]`` (start, end, score).

    Returns:
        Class → video → ``[detection, 3]``.

    Raises:
        BmnError: the classifier has no scores for a video.
    """
    found: dict[str, dict[str, Floats]] = {}
    if missing := sorted(proposals.keys() - classifier.scores.keys()):
        raise BmnError(
            f"the classifier has no scores for {len(missing)} of {len(proposals)} videos, {missing[0]} among them; add "
            "them to its file, or name the file that belongs to these videos"
        )
    for video, given in proposals.items():
        scores = classifier.scores[video]
        rows = np.asarray(given, np.float64).reshape(-1, 3)
        for likely in np.argsort(-scores, kind="stable")[:CLASSES_PER_VIDEO]:
            found.setdefault(classifier.classes[likely], {})[video] = rows * [1, 1, scores[likely]]
    return found


class ClassPrecision(NamedTuple):
    """Average precision of one class, in percent: at tIoU 0.5, averaged from 0.5 to 0.95, and the 95 % confidence
    interval of the latter."""

    name: str
    segments: int
    half: float
    average: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Detection:
    """Metrics of labelled detections.

    Attributes:
        classes: those with segments, sorted.
        segments: ``[class]``, number of segments.
        precision: ``[class, tIoU]``, average precision in percent; the thresholds are ``DETECTION_THRESHOLDS``.
        resampled: ``[resample, class, tIoU]``, the same on bootstrap samples of the videos; NaN where a class has no
            segments.
    """

    classes: list[str]
    segments: NDArray[np.intp]
    precision: Floats
    resampled: Floats

    def metrics(self) -> dict[str, float]:
        """The mAP in percent: averaged over tIoU from 0.5 to 0.95, from 0.3 to 0.7, and at single thresholds."""
        return {name: float(self.precision[:, places].mean()) for name, places in AVERAGES.items()}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % confidence intervals of :meth:`metrics`."""
        means = {name: np.nanmean(self.resampled[:, :, places], axis=(1, 2)) for name, places in AVERAGES.items()}
        return {name: tuple(np.percentile(values, TAILS).tolist()) for name, values in means.items()}

    def by_class(self) -> list[ClassPrecision]:
        """One entry per class, worst first."""
        places = AVERAGES["mAP"]
        average, resampled = self.precision[:, places].mean(axis=1), self.resampled[:, :, places].mean(axis=2)
        low, high = np.nanpercentile(resampled, TAILS, axis=0)
        half = self.precision[:, AVERAGES["mAP@0.5"][0]]
        return [
            ClassPrecision(self.classes[row], int(self.segments[row]), half[row], average[row], (low[row], high[row]))
            for row in np.argsort(average, kind="stable")
        ]


def assess_detections(
    ground_truth: Mapping[str, Sequence[tuple[float, float, str]]],
    detected: Mapping[str, Mapping[str, ArrayLike]],
    seed: int = 0,
) -> Detection:
    """The average precision of every class that has segments.

    As in the official evaluator, the detections of a class, over all videos, are processed by decreasing score. Each
    is matched to the unmatched segment of its class with the highest tIoU, if that reaches the threshold, and is a
    false positive otherwise. Precision is interpolated to be non-increasing in recall and integrated over recall. Ties
    keep the order given (the official order is arbitrary).

    Args:
        ground_truth: video → (start, end, class) of each segment, in seconds.
        detected: class → video → ``[detection, 3]`` (start, end, score).
        seed: of the bootstrap over the videos of the ground truth.

    Raises:
        BmnError: the ground truth has no segments.
    """
    numbers = {video: number for number, video in enumerate(ground_truth)}
    truth: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for video, segments in ground_truth.items():
        for start, end, label in segments:
            truth.setdefault(label, {}).setdefault(video, []).append((start, end))
    if not truth:
        raise BmnError("no segments to compare detections with; check the subset's name and its annotations")
    chances = np.full(len(numbers), 1 / len(numbers))
    resamples = np.random.default_rng(seed).multinomial(len(numbers), chances, RESAMPLES)
    weights = np.concatenate([np.ones((1, len(numbers))), resamples])
    classes = sorted(truth)
    areas = np.stack([_areas(truth[name], detected.get(name, {}), numbers, weights) for name in classes], axis=1)
    counts = np.array([sum(map(len, truth[name].values())) for name in classes])
    return Detection(classes, counts, 100 * areas[0], 100 * areas[1:])


def _areas(
    truth: Mapping[str, list[tuple[float, float]]],
    detected: Mapping[str, ArrayLike],
    numbers: Mapping[str, int],
    weights: Floats,
) -> Floats:
    """``[resample, tIoU]``: the average precision of one class, as a fraction, each video counting with its weight.

    Args:
        numbers: of the videos in the ground truth; detections in other videos are false positives of weight 1.
        weights: ``[resample, video]``.
    """
    rows = {video: np.asarray(given, np.float64).reshape(-1, 3) for video, given in detected.items()}
    empty = np.empty((0, len(DETECTION_THRESHOLDS)), bool)
    correct = [_correct(found, np.array(truth.get(video, [])).reshape(-1, 2)) for video, found in rows.items()]
    scores = np.concatenate([found[:, 2] for found in rows.values()] or [np.empty(0)])
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([*correct, empty])[order]
    owner = np.repeat([numbers.get(video, len(numbers)) for video in rows], [len(found) for found in rows.values()])
    owner = owner.astype(np.intp)[order]
    there = np.flatnonzero(hits.any(axis=1))  # precision peaks at true positives
    segments = np.array([len(truth.get(video, ())) for video in numbers])
    areas = np.full((len(weights), len(DETECTION_THRESHOLDS)), np.nan)
    for resample, weight in enumerate(weights):
        if (positives := weight @ segments) > 0:
            each = np.append(weight, 1.0)[owner]
            found = each[there, None] * hits[there]
            precision = found.cumsum(axis=0) / np.maximum(each.cumsum()[there, None], 1)
            areas[resample] = (found * np.maximum.accumulate(precision[::-1])[::-1]).sum(axis=0) / positives
    return areas


def _correct(rows: Floats, segments: Floats) -> NDArray[np.bool_]:
    """``[detection, tIoU]``: whether each detection is matched to a segment; videos are matched independently."""
    correct = np.zeros((len(rows), len(DETECTION_THRESHOLDS)), bool)
    taken = np.zeros((len(segments), len(DETECTION_THRESHOLDS)), bool)
    overlap = tiou(rows[:, 0, None], rows[:, 1, None], segments[:, 0], segments[:, 1])
    near = overlap.max(axis=1, initial=0) >= DETECTION_THRESHOLDS[0]
    for place in np.argsort(-rows[:, 2], kind="stable"):
        if not near[place]:
            continue
        for segment in np.argsort(-overlap[place], kind="stable"):
            takes = (overlap[place, segment] >= DETECTION_THRESHOLDS) & ~taken[segment] & ~correct[place]
            taken[segment] |= takes
            correct[place] |= takes
    return correct
