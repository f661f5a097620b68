"""The presets of params.yaml: the embedded data set, the published recipe."""

from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.params import Params, flatten, load_params
from bmn.recipes.edits import edit

# What a preset sets besides the defaults of bmn.base.params, which are the published values.
PRESETS: dict[str, dict[str, Any]] = {
    "embedded": {
        "data": {"source": "synthetic"},
        "train": {"epochs": 4, "batch_size": 8, "decay_iteration": 120},
    },
    "activitynet": {
        "data": {
            "source": "activitynet",
            "strict": False,  # 215 of its segments pass the end of their video, 12 have no length
            "features": "https://paddlemodels.bj.bcebos.com/video_detection/bmn_feat.tar.gz",
            "annotations": "https://paddlemodels.bj.bcebos.com/video_detection/activitynet_1.3_annotations.json",
            "ground_truth": "https://paddlemodels.bj.bcebos.com/video_detection/activity_net_1_3_new.json",
        }
    },
    "bmn_lite": {  # PaddleVideo's small excerpt of it, to try things with
        "data": {
            "source": "activitynet",
            "strict": False,
            "features": "https://videotag.bj.bcebos.com/Data/BMN_lite/bmn_feat.tar.gz",
            "annotations": "https://videotag.bj.bcebos.com/Data/BMN_lite/activitynet_1.3_annotations.json",
        }
    },
}
PLACES = ("data.source", "data.features", "data.annotations", "data.subsets", "data.ground_truth")
IN_USE = ("source", "features", "annotations")  # of ``data``: what tells one data set from another
KEPT = ("train.devices", "tracking", "tune", "execution")  # of the machine and of the person, not of the recipe


def preset_params(name: str) -> Params:
    """The whole of the parameters that a preset stands for.

    Raises:
        BmnError: there is no preset of that name.
    """
    if name not in PRESETS:
        raise BmnError(f"PRESET is {name!r}; one of {', '.join(PRESETS)} is allowed")
    return Params.model_validate(PRESETS[name])


def differences(params: Params) -> dict[str, Any]:
    """The dotted keys in which parameters differ from the preset of their data source (own data: from the published
    recipe), with their values; where data come from is not counted."""
    values = {key: value for key, value in flatten(params.model_dump()) if not key.startswith((*KEPT, *PLACES))}
    own = Params.model_validate({"data": {"source": "local", "features": "", "annotations": ""}})
    standards = [preset_params(name) for name in PRESETS] + [own]
    preset = next(standard for standard in standards if standard.data.source == params.data.source)
    standard = dict(flatten(preset.model_dump()))
    return {key: value for key, value in values.items() if value != standard[key]}


def use_preset(name: str, path: Path, reset: bool = False) -> str:
    """Write a preset into a parameter file, all but what belongs to the machine and the person; see :func:`edit`.

    A preset whose data are in use already changes nothing: the recipe may have been tuned since. ``reset`` writes it.
    """
    preset, current = preset_params(name), load_params(path)
    if not reset and all(getattr(preset.data, key) == getattr(current.data, key) for key in IN_USE):
        return ""
    return edit(path, {key: value for key, value in flatten(preset.model_dump()) if not key.startswith(KEPT)})
