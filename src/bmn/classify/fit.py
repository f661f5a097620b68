"""How the classifier of segments learns: from annotated segments, and from proposals, which are what it will see.

A proposal that overlaps a segment well is an example of its label, one that hits nothing of the background. The
probabilities are calibrated by one temperature, found on training videos that the classifier did not learn from
(cross-validation), so that the validation videos are not looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmn.base.schema import ClassifyParams
from bmn.classify.classifier import SegmentClassifier
from bmn.classify.labels import label_counts
from bmn.classify.pooling import Float32s, Floats, pooled
from bmn.data.subset import Subset
from bmn.metrics.tiou import tiou

HIT, NOTHING = 0.6, 0.3  # tIoU from which a proposal has the label of a segment, and below which it is background
FOLDS = 3  # of the videos, for the calibration
ITERATIONS = 200
TEMPERATURES = np.geomspace(0.25, 8, 61)


@dataclass(frozen=True)
class Examples:
    """What is learned from.

    Attributes:
        features: ``[example, feature]``.
        labels: ``[example]``, numbers of classes; the background has the last.
        videos: ``[example]``, the number of the video that it is from.
    """

    features: Float32s
    labels: NDArray[np.intp]
    videos: NDArray[np.intp]

    def of(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Some of them."""
        return Examples(self.features[chosen], self.labels[chosen], self.videos[chosen])


def fit(training: Subset, proposals: Mapping[str, Floats], settings: ClassifyParams) -> SegmentClassifier | None:
    """Learn to tell the labels of a subset's segments from their features.

    Args:
        proposals: video → ``[proposal, 3]`` (start, end in seconds, score), of some of its videos.

    Returns:
        None where the segments have one label only, so that there is nothing to tell apart.
    """
    classes = tuple(sorted(label_counts(training.videos.values())))
    if len(classes) < 2:
        return None
    examples = _examples(training, proposals, classes)
    mean = examples.features.mean(axis=0)
    scale = np.maximum(examples.features.std(axis=0), 1e-6)
    even = Examples((examples.features - mean) / scale, examples.labels, examples.videos)
    weights, bias = _regression(even, len(classes) + 1, settings.penalty)
    temperature = _temperature(even, len(classes) + 1, settings.penalty)
    weights, bias = weights / temperature, bias / temperature
    weights = weights / scale[:, None]
    return SegmentClassifier(classes, weights.astype(np.float32), (bias - mean @ weights).astype(np.float32))


def _examples(training: Subset, proposals: Mapping[str, Floats], classes: tuple[str, ...]) -> Examples:
    numbers = {name: number for number, name in enumerate(classes)}
    features, labels, videos = [], [], []
    for place, (video, rows) in enumerate(training.rows_by_video().items()):
        annotated = training.videos[video].segments
        truth = np.array([(segment.start, segment.end) for segment in annotated]).reshape(-1, 2)
        found = proposals.get(video, np.empty((0, 3)))[:, :2]
        segments = np.concatenate([truth, found])
        overlap = tiou(segments[:, :1], segments[:, 1:], truth[:, 0], truth[:, 1])
        example, segment = np.nonzero(overlap >= HIT)
        nothing = np.flatnonzero(overlap.max(axis=1, initial=0) < NOTHING)
        windows = [training.store.windows[row] for row in rows]
        vectors = pooled(training.store.read(rows), windows, segments)
        features.append(vectors[np.concatenate([example, nothing])])
        labels += [numbers[annotated[number].label] for number in segment] + [len(classes)] * len(nothing)
        videos += [place] * (len(example) + len(nothing))
    return Examples(np.concatenate(features), np.array(labels), np.array(videos))


def _regression(examples: Examples, classes: int, penalty: float) -> tuple[Floats, Floats]:
    """Weights ``[feature, class]`` and bias ``[class]``; a class without examples is as unlikely as can be."""
    from sklearn.linear_model import LogisticRegression  # here, because only training needs it
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the number of threads changes the last bits
        model = LogisticRegression(C=1 / penalty, max_iter=ITERATIONS).fit(examples.features, examples.labels)
    weights, bias = np.zeros((examples.features.shape[1], classes)), np.full(classes, -np.inf)
    rows, offsets = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # told by the sign of one row
        rows, offsets = np.concatenate([-rows, rows]) / 2, np.concatenate([-offsets, offsets]) / 2
    weights[:, model.classes_], bias[model.classes_] = rows.T, offsets
    return weights, bias


def _temperature(examples: Examples, classes: int, penalty: float) -> float:
    """What logits are divided by to make examples of videos not learned from the likeliest; 1 where there are too few
    videos to tell."""
    logits, labels = [], []
    for fold in range(FOLDS):
        held = examples.videos % FOLDS == fold
        others = examples.of(~held)
        if not held.any() or len(np.unique(others.labels)) < 2:
            continue
        weights, bias = _regression(others, classes, penalty)
        own = examples.of(held & np.isin(examples.labels, others.labels))
        logits.append(own.features @ weights + bias)
        labels.append(own.labels)
    if not logits:
        return 1.0
    all_logits, all_labels = np.concatenate(logits), np.concatenate(labels)
    loss = [_loss(all_logits / temperature, all_labels) for temperature in TEMPERATURES]
    return float(TEMPERATURES[np.argmin(loss)])


def _loss(logits: Floats, labels: NDArray[np.intp]) -> float:
    """The mean cross entropy."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    right = shifted[np.arange(len(labels)), labels]
    return float((np.log(np.exp(shifted).sum(axis=1)) - right).mean())
