"""Presets of ``params.yaml``: the embedded data set and the published recipe on ActivityNet-1.3.

``python -m bmn.presets NAME`` writes one into ``params.yaml``, keeps the comments and prints the difference.
"""

import argparse
import difflib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bmn.commands import command
from bmn.config import Params, load_params
from bmn.errors import BmnError
from bmn.files import whole_file

# What a preset sets besides the defaults of bmn.config, which are the published values.
PRESETS: dict[str, dict[str, Any]] = {
    "embedded": {
        "data": {"source": "synthetic"},
        "train": {"epochs": 6, "batch_size": 8, "decay_iteration": 160},
    },
    "activitynet": {
        "data": {
            "source": "activitynet",
            "features": "https://paddlemodels.bj.bcebos.com/video_detection/bmn_feat.tar.gz",
            "annotations": "https://paddlemodels.bj.bcebos.com/video_detection/activitynet_1.3_annotations.json",
        }
    },
}
KEPT = ("train.devices", "tracking")  # of the machine and of the person, not of the recipe


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
    """The dotted keys in which parameters differ from the preset of their data source, with their values."""
    preset = "embedded" if params.data.source == "synthetic" else "activitynet"
    standard = dict(flatten(preset_params(preset).model_dump()))
    return {
        key: value
        for key, value in flatten(params.model_dump())
        if value != standard[key] and not key.startswith(KEPT)
    }


def use_preset(name: str, path: Path) -> str:
    """Write a preset into a parameter file, comments kept; give the difference as unified diff lines.

    Raises:
        BmnError: there is no preset of that name, or the file is not valid parameters.
    """
    load_params(path)
    before = path.read_text(encoding="utf-8")
    yaml = YAML()
    yaml.width = 4096  # never re-flow a line
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
    document = yaml.load(before)
    present = dict(flatten(document))
    for key, value in flatten(preset_params(name).model_dump()):
        if not key.startswith(KEPT) and present.get(key, ...) != value:
            *groups, last = key.split(".")
            group = document
            for part in groups:
                group = group.setdefault(part, {})
            group[last] = value
    written = io.StringIO()
    yaml.dump(document, written)
    after = written.getvalue()
    with whole_file(path) as temporary:
        temporary.write_text(after, encoding="utf-8")
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=0)
    return "\n".join(lines)


@command
def main() -> None:
    """Write a preset into params.yaml."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name", help=" | ".join(PRESETS))
    difference = use_preset(parser.parse_args().name, Path("params.yaml"))
    print(difference or "params.yaml stands so already")


if __name__ == "__main__":
    main()
