"""The parameters for your own data."""

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from bmn.acquire.features import common_channels, find_features, find_videos
from bmn.base.errors import BmnError
from bmn.base.params import flatten
from bmn.base.schema import Params, TrainParams
from bmn.conversion.annotations import clean, split
from bmn.conversion.dialects import read_annotations
from bmn.recipes.presets import KEPT
from bmn.video.extract import feature_channels, find_extractor

ITERATIONS = 300  # at least, with batches as published ...
MOST_EPOCHS = 36  # ... unless this many epochs, each of which is validated, are fewer
DECAY = Fraction(7, 9)  # of the training, when the rate decays: 4,200 of 5,400 iterations on ActivityNet
UNKNOWN = 1e9  # seconds, longer than any video: its file will tell


def own_values(
    current: Params, features: str, annotations: str, subsets: str | None = None, reset: bool = False
) -> dict[str, Any]:
    """The parameters that own data require, by dotted key.

    The data determine the paths, the number of channels, and a batch size of at most the number of training videos.
    If the data are new, or with ``reset``, the published recipe is included, with epochs and decay after the size of
    the data (:func:`epochs_for`).

    Args:
        current: the current parameters.
        features: a folder of feature files, or of videos (``extract.*`` is kept).
        annotations: a file, or a folder with one file per subset.
        subsets: a CSV with the subset of each video, if the annotations do not name it.

    Raises:
        BmnError: something is missing or unreadable.
    """
    for path in (features, annotations, subsets):
        if path is not None and not (path and Path(path).exists()):
            raise BmnError(f"{path or 'nothing'}: no such file or folder; correct what names it")
    if not Path(features).is_dir():
        raise BmnError(f"{features}: not a folder; unpack it, or set data.features and model.feat_dim in params.yaml")
    if find_videos(Path(features)):
        channels = feature_channels(find_extractor(current.extract, Path(), current.execution.device))
    else:
        channels = common_channels(find_features(Path(features)))
    entries, _ = split(read_annotations(Path(annotations), Path(subsets) if subsets else None))
    lasting = (entry if entry.duration is not None else replace(entry, duration=UNKNOWN) for entry in entries)
    training = sum(video.subset == "training" for video in clean(lasting)[0])
    data = {"source": "local", "features": features, "annotations": annotations, "subsets": subsets}
    values: dict[str, Any] = {}
    recipe = current
    in_use = (current.data.source, current.data.features, current.data.annotations)
    if reset or in_use != ("local", features, annotations):
        epochs = epochs_for(training)
        train = {"epochs": epochs, "decay_epoch": round(DECAY * epochs)}
        recipe = Params.model_validate({"data": data, "extract": current.extract.model_dump(), "train": train})
        values = {key: value for key, value in flatten(recipe.model_dump()) if not key.startswith(KEPT)}
    values |= {f"data.{key}": value for key, value in data.items()}
    values |= {"data.features_sha256": None, "data.annotations_sha256": None, "model.feat_dim": channels}
    return values | {"train.batch_size": max(1, min(recipe.train.batch_size, training))}


def epochs_for(videos: int) -> int:
    """The published number of epochs, or more where these would be too few iterations to learn from.

    Nine epochs are 5,400 iterations on ActivityNet, and 18 on 32 videos.

    Args:
        videos: in the training subset.
    """
    published = TrainParams()
    iterations = max(1, videos // published.batch_size)  # fewer videos than a batch are one
    return min(MOST_EPOCHS, max(published.epochs, math.ceil(ITERATIONS / iterations)))
