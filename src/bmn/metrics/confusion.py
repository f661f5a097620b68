"""Which classes are taken for which: what detections call the segments that they find."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmn.metrics.tiou import tiou

FOUND = 0.5  # tIoU from which a detection speaks of a segment


def confusion(
    ground_truth: Mapping[str, Sequence[tuple[float, float, str]]], detected: Mapping[str, Mapping[str, ArrayLike]]
) -> tuple[list[str], NDArray[np.intp]]:
    """What the best scored detection that overlaps a segment by half calls it.

    Args:
        ground_truth: video → (start, end, class) of each segment, seconds.
        detected: class → video → ``[detection, 3]`` (start, end, score).

    Returns:
        The classes, sorted, and ``[class, class + 1]``: how many segments of a class were called each, and in the last
        column how many no detection found.
    """
    classes = sorted({label for segments in ground_truth.values() for *_, label in segments} | set(detected))
    numbers = {name: number for number, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes) + 1), np.intp)
    for video, segments in ground_truth.items():
        own = [
            (number, np.asarray(detected[name][video], np.float64).reshape(-1, 3))
            for name, number in numbers.items()
            if video in detected.get(name, {})
        ]
        rows = np.concatenate([np.empty((0, 3)), *(found for _, found in own)])
        called = np.repeat([number for number, _ in own], [len(found) for _, found in own]).astype(np.intp)
        for start, end, label in segments:
            near = tiou(rows[:, 0], rows[:, 1], np.array(start), np.array(end)) >= FOUND
            given = called[np.where(near, rows[:, 2], -1).argmax()] if near.any() else len(classes)
            counts[numbers[label], given] += 1
    return classes, counts
