"""The classifier of segments: what it computes, and the file that holds it. NumPy is all that it needs."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bmn.base.errors import BmnError
from bmn.base.files import atomic_file
from bmn.classify.pooling import Float32s, Floats, pooled
from bmn.data.windows import Window

LABELS_A_PROPOSAL = 2  # the likeliest
FILE = "classifier.npz"  # beside the weights that it was trained with, and beside exported programs
Detected = dict[str, Floats]
"""Class → ``[detection, 3]`` (start, end in seconds, score) of one video."""


@dataclass(frozen=True)
class SegmentClassifier:
    """Multinomial logistic regression on pooled features; the last of its classes is the background.

    Attributes:
        classes: their names, without the background.
        weights: ``[feature, class + 1]``.
        bias: ``[class + 1]``.
    """

    classes: tuple[str, ...]
    weights: Float32s
    bias: Float32s

    def probabilities(self, features: Float32s) -> Floats:
        """How likely each class is.

        Args:
            features: ``[segment, feature]``, from :func:`bmn.classify.pooling.pooled`.

        Returns:
            ``[segment, class]``; what a row lacks to 1 is the probability of the background.
        """
        logits = (features @ self.weights + self.bias).astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        likely: Floats = (odds / odds.sum(axis=1, keepdims=True))[:, :-1]
        return likely

    def detect(self, features: Float32s, windows: Sequence[Window], proposals: Floats) -> Detected:
        """Give each proposal of a video its likeliest classes; its score is multiplied by their probabilities.

        A proposal stands under two classes where there are as many, so that two things at one time are both found.

        Args:
            features: ``[window, channel, snippet]``.
            windows: of the video.
            proposals: ``[proposal, 3]`` (start, end, score).

        Returns:
            Each class that was given, with its detections in the order of the proposals.
        """
        likely = self.probabilities(pooled(features, windows, proposals[:, :2]))
        likeliest = np.argsort(-likely, axis=1, kind="stable")[:, :LABELS_A_PROPOSAL]
        found = {}
        for number, name in enumerate(self.classes):
            own = (likeliest == number).any(axis=1)
            if own.any():
                found[name] = (
                    proposals[own] * [1, 1, 0] + [0, 0, 1] * (proposals[own, 2] * likely[own, number])[:, None]
                )
        return found


def by_class(detected: Mapping[str, Detected]) -> dict[str, dict[str, Floats]]:
    """What was detected in several videos, by class and then by video."""
    found: dict[str, dict[str, Floats]] = {}
    for video, classes in detected.items():
        for name, rows in classes.items():
            found.setdefault(name, {})[video] = rows
    return found


def write_classifier(path: Path, classifier: SegmentClassifier | None) -> None:
    """Write a classifier as plain arrays; where there is none, a file without classes. Same classifier, same bytes."""
    none = SegmentClassifier((), np.zeros((0, 1), np.float32), np.zeros(1, np.float32))
    written = classifier or none
    with atomic_file(path) as temporary:
        names = np.array(written.classes, np.str_)
        np.savez_compressed(temporary, classes=names, weights=written.weights, bias=written.bias)


def read_classifier(path: Path) -> SegmentClassifier | None:
    """Read what :func:`write_classifier` wrote; None where that says that there is none.

    Raises:
        BmnError: the file is missing, damaged or not of that form.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as held:
            classes = tuple(str(name) for name in held["classes"])
            weights, bias = held["weights"].astype(np.float32), held["bias"].astype(np.float32)
    except FileNotFoundError as error:
        raise BmnError(f"{path}: no such file; run dvc repro train") from error
    except Exception as error:  # whatever NumPy raises when it meets bytes that make no sense
        raise BmnError(f"{path}: is not a classifier of segments ({error}); run dvc repro --force train") from error
    if weights.ndim != 2 or bias.shape != (len(classes) + 1,) or weights.shape[1:] != bias.shape:
        raise BmnError(f"{path}: its arrays do not fit each other; run dvc repro --force train")
    return SegmentClassifier(classes, weights, bias) if classes else None
