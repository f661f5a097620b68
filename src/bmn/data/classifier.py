"""Class scores of whole videos, from a file: what makes detections of proposals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.files import read_json


@dataclass(frozen=True)
class Classifier:
    """Scores of whole videos.

    Attributes:
        classes: ``[class]``.
        scores: video (without ``v_``) → ``[class]``.
    """

    classes: Sequence[str]
    scores: Mapping[str, NDArray[np.float64]]


def read_classifier(path: Path) -> Classifier:
    """Read class scores in the form that CUHK published for ActivityNet: ``{"results": {video: […]}, "class": […]}``.

    Raises:
        BmnError: the file is not of that form.
    """
    match read_json(path):
        case {"results": dict(results), "class": list(classes)}:
            pass
        case _:
            raise BmnError(
                f'{path}: has another form; {{"results": {{video: [scores]}}, "class": [names]}} is expected'
            )
    scores = {}
    for video, given in results.items():
        try:
            scores[str(video).removeprefix("v_")] = row = np.asarray(given, np.float64)
        except (TypeError, ValueError) as error:
            raise BmnError(f"{path}: the scores of {video} are not numbers") from error
        if row.shape != (len(classes),) or not np.isfinite(row).all():
            raise BmnError(f"{path}: {video} has scores of the shape {row.shape}; a number for each class is expected")
    return Classifier([str(name) for name in classes], scores)
