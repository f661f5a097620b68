"""Presets for params.yaml: the embedded data set and the published recipe."""

from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.params import Params, flatten, load_params
from bmn.recipes.edits import edit

# Differences from the defaults in bmn.base.params, which are the published values.
PRESETS: dict[str, dict[str, Any]] = {
    "embedded": {
        "data": {"source": "synthetic"},
        "train": {"epochs": 4, "batch_size": 8, "decay_iteration": 120},
    },
    "activitynet": {
        "data": {
            "source": "activitynet",
            "strict": False,  # 215 of its segments extend beyond their video, 12 are empty
            "features": "https://paddlemodels.bj.bcebos.com/video_detection/bmn_feat.tar.gz",
            "annotations": "https://paddlemodels.bj.bcebos.com/video_detection/activitynet_1.3_annotations.json",
            "ground_truth": "https://paddlemodels.bj.bcebos.com/video_detection/activity_net_1_3_new.json",
        }
    },
    "bmn_lite": {  # PaddleVideo's small excerpt of it
        "data": {
            "source": "activitynet",
            "strict": False,
            "features": "https://videotag.bj.bcebos.com/Data/BMN_lite/bmn_feat.tar.gz",
            "annotations": "https://videotag.bj.bcebos.com/Data/BMN_lite/activitynet_1.3_annotations.json",
        }
    },
}
SOURCES = ("data.source", "data.features", "data.annotations", "data.subsets", "data.ground_truth")
IN_USE = ("source", "features", "annotations")  # of ``data``: identify a data set
KEPT = ("train.devices", "tracking", "tune")  # machine and personal settings, not part of the recipe


def preset_params(name: str) -> Params:
    """All parameters of a preset.

    Raises:
        BmnError: there is no such preset.
    """
    if name not in PRESETS:
        raise BmnError(f"PRESET is {name!r}; it should be one of {', '.join(PRESETS)}")
    return Params.model_validate(PRESETS[name])


def differences(params: Params) -> dict[str, Any]:
    """The parameters that differ from the preset of their data source (own data: from the published recipe), by dotted
    key; data locations are ignored."""
    values = {key: value for key, value in flatten(params.model_dump()) if not key.startswith((*KEPT, *SOURCES))}
    own = Params.model_validate({"data": {"source": "local", "features": "", "annotations": ""}})
    standards = [preset_params(name) for name in PRESETS] + [own]
    preset = next(standard for standard in standards if standard.data.source == params.data.source)
    standard = dict(flatten(preset.model_dump()))
    return {key: value for key, value in values.items() if value != standard[key]}


def use_preset(name: str, path: Path, reset: bool = False) -> str:
    """Write a preset into a parameter file, except machine and personal settings; see :func:`edit`.

    If its data are already in use, nothing changes: the recipe may have been tuned. ``reset`` writes it anyway.
    """
    preset, current = preset_params(name), load_params(path)
    if not reset and all(getattr(preset.data, key) == getattr(current.data, key) for key in IN_USE):
        return ""
    return edit(path, {key: value for key, value in flatten(preset.model_dump()) if not key.startswith(KEPT)})
