"""How well classes are told apart, drawn."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

DRAWN = 25  # classes in a figure
LISTED = 12  # confusions in words


def confusion_figure(classes: Sequence[str], counts: NDArray[np.intp]) -> Figure | None:
    """What segments of each class are called, as a matrix; None where the classes are too many to be read.

    Args:
        counts: ``[class, class + 1]``, the last column for segments that were not found.
    """
    if len(classes) > DRAWN:
        return None
    side = 2.5 + 0.45 * len(classes)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(classes) + 1), [*classes, "not found"], rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.set(xlabel="what it is called", ylabel="annotated class")
    return figure


def confusions(classes: Sequence[str], counts: NDArray[np.intp]) -> list[tuple[str, str, int]]:
    """The most frequent mistakes: annotated class, what it is called, how many segments."""
    wrong = counts[:, :-1] * (1 - np.eye(len(classes), dtype=np.intp))
    order = np.argsort(-wrong, axis=None, kind="stable")[:LISTED]
    rows, columns = np.unravel_index(order, wrong.shape)
    return [(classes[a], classes[b], int(wrong[a, b])) for a, b in zip(rows, columns, strict=True) if wrong[a, b]]
