"""``python -m bmn.conversion.own FEATURES ANNOTATIONS``: make params.yaml fit a person's own data."""

import argparse
from pathlib import Path
from typing import Any

from bmn.acquire.features import common_channels, find_features
from bmn.acquire.raw import checksum
from bmn.base.command import command
from bmn.base.errors import BmnError
from bmn.base.params import Params
from bmn.base.params_file import KEPT, edit, flatten
from bmn.conversion.annotations import clean, split
from bmn.conversion.dialects import read_annotations


def fitting(features: str, annotations: str, subsets: str | None = None) -> dict[str, Any]:
    """The parameters for own data, by dotted key: the published recipe, with what the data decide.

    The channel count is that of the features; a batch holds no more videos than there are to train on; checksums let
    DVC see when the data change.

    Args:
        features: a folder of feature files.
        annotations: a file, or a folder with a file a subset.
        subsets: a CSV with the subset of each video, where the annotations do not name it.

    Raises:
        BmnError: something is not there or cannot be read.
    """
    for path in (features, annotations, subsets):
        if path is not None and not (path and Path(path).exists()):
            raise BmnError(f"{path or 'nothing'}: no such file or folder; correct FEATURES, ANNOTATIONS or SUBSETS")
    if not Path(features).is_dir():
        raise BmnError(f"{features}: is no folder; unpack it, or set data.features and model.feat_dim in params.yaml")
    data = {
        "source": "local",
        "features": features,
        "annotations": annotations,
        "subsets": subsets,
        "features_sha256": checksum(Path(features)),
        "annotations_sha256": checksum(Path(annotations)),
    }
    channels = common_channels(find_features(Path(features)))
    entries, _ = split(read_annotations(Path(annotations), Path(subsets) if subsets else None))
    training = sum(video.subset == "training" for video in clean(entries)[0])
    recipe = Params.model_validate({"data": data})
    values = recipe.model_dump()
    values["model"]["feat_dim"] = channels
    values["train"]["batch_size"] = max(1, min(recipe.train.batch_size, training))
    return {key: value for key, value in flatten(values) if not key.startswith(KEPT)}


@command
def main() -> None:
    """Write the parameters that own data need into params.yaml, comments kept, and print the difference."""
    parser = argparse.ArgumentParser(prog="bmn.conversion.own", description=main.__doc__)
    parser.add_argument("features", help="folder of .npy, .npz or .csv files, one a video")
    parser.add_argument("annotations", help="file, or folder with a file a subset")
    parser.add_argument("subsets", nargs="?", help="CSV with the columns video and subset")
    given = parser.parse_args()
    values = fitting(given.features, given.annotations, given.subsets)
    print(edit(Path("params.yaml"), values) or "params.yaml stands so already")


if __name__ == "__main__":
    main()
