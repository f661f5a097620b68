"""Edits of ``params.yaml`` that keep its comments, and the presets: the embedded data set, the published recipe.

``python -m bmn.base.params_file PRESET`` or ``KEY=VALUE`` writes and prints the difference.
"""

import argparse
import difflib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bmn.base.command import command
from bmn.base.errors import BmnError
from bmn.base.files import whole_file
from bmn.base.params import Params, load_params, validate_params

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
KEPT = ("train.devices", "tracking", "tune")  # of the machine and of the person, not of the recipe


def preset_params(name: str) -> Params:
    """The whole of the parameters that a preset stands for.

    Raises:
        BmnError: there is no preset of that name.
    """
    if name not in PRESETS:
        raise BmnError(f"PRESET is {name!r}; one of {', '.join(PRESETS)} is allowed")
    return Params.model_validate(PRESETS[name])


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of nested parameters, with their values."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differences(params: Params) -> dict[str, Any]:
    """The dotted keys in which parameters differ from the preset of their data source (own data: from the published
    recipe), with their values; where data come from is not counted."""
    values = {key: value for key, value in flatten(params.model_dump()) if not key.startswith((*KEPT, *PLACES))}
    own = Params.model_validate({"data": {"source": "local", "features": "", "annotations": ""}})
    standards = [preset_params(name) for name in PRESETS] + [own]
    preset = next(standard for standard in standards if standard.data.source == params.data.source)
    standard = dict(flatten(preset.model_dump()))
    return {key: value for key, value in values.items() if value != standard[key]}


def use_preset(name: str, path: Path) -> str:
    """Write a preset into a parameter file, all but what belongs to the machine and the person; see :func:`edit`."""
    values = flatten(preset_params(name).model_dump())
    return edit(path, {key: value for key, value in values if not key.startswith(KEPT)})


def edit(path: Path, values: dict[str, Any]) -> str:
    """Write values under dotted keys into a parameter file, comments kept, if the result is valid.

    Returns:
        The difference, as the lines of a unified diff.

    Raises:
        BmnError: the file, or what it would become, is not valid parameters.
    """
    load_params(path)
    before = path.read_text(encoding="utf-8")
    yaml = YAML()
    yaml.width = 4096  # never re-flow a line
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
    document = yaml.load(before)
    present = dict(flatten(document))
    for key, value in values.items():
        if present.get(key, ...) != value:
            *groups, last = key.split(".")
            group = document
            for part in groups:
                group = group.setdefault(part, {})
            group[last] = value
    validate_params(document, str(path))
    written = io.StringIO()
    yaml.dump(document, written)
    with whole_file(path) as temporary:
        temporary.write_text(written.getvalue(), encoding="utf-8")
    lines = before.splitlines(), written.getvalue().splitlines()
    return "\n".join(difflib.unified_diff(*lines, "before", "after", lineterm="", n=0))


@command
def main() -> None:
    """Write into params.yaml, comments kept, and print the difference."""
    parser = argparse.ArgumentParser(prog="bmn.base.params_file", description=main.__doc__)
    parser.add_argument("what", nargs="+", help=f"one preset ({' | '.join(PRESETS)}), or dotted keys as key=value")
    what = parser.parse_args().what
    path = Path("params.yaml")
    if len(what) == 1 and "=" not in what[0]:
        difference = use_preset(what[0], path)
    else:
        difference = edit(path, dict(_assignment(words) for words in what))
    print(difference or "params.yaml stands so already")


def _assignment(words: str) -> tuple[str, Any]:
    key, equals, value = words.partition("=")
    if not equals:
        raise BmnError(f"{words}: is not of the form key=value")
    return key, YAML(typ="safe").load(value)


if __name__ == "__main__":
    main()
