"""``tracing.py STAGE RESULT.json`` runs a stage and notes the parameters that it reads, and that it checks at its end.

What it reads only to report it does not count.
"""

import json
import runpy
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from bmn.base import params
from bmn.base.params import flatten
from bmn.base.schema import Group, Params
from bmn.provenance import NEUTRAL_CODE, PACKAGE

read: set[str] = set()
checked: set[str] = set()
places: dict[int, str] = {}  # of each group of the parameters that the stage loads, by its id
kept: list[Params] = []


def load(*words: Any) -> Params:
    kept.append(load_params(*words))
    find_groups(kept[-1], "")
    return kept[-1]


def find_groups(group: Group, prefix: str) -> None:
    places[id(group)] = prefix
    for name in type(group).model_fields:
        value = object.__getattribute__(group, name)
        if isinstance(value, Group):
            find_groups(value, f"{prefix}{name}.")


def counts(frame: FrameType | None) -> bool:
    """Whether what reads a parameter computes something: not where the stage has called neutral code."""
    while frame is not None and frame.f_code.co_filename != stage:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            name = f"bmn/{path.relative_to(PACKAGE)}"
            if any(name == neutral or name.startswith(f"{neutral}/") for neutral in NEUTRAL_CODE):
                return False
        frame = frame.f_back
    return True


def get(self: Group, name: str) -> Any:
    value = object.__getattribute__(self, name)
    named = id(self) in places and name in type(self).model_fields and not isinstance(value, Group)
    if named and counts(sys._getframe(1)):
        read.add(places[id(self)] + name)
    return value


def dump(self: Group, **words: Any) -> dict[str, Any]:
    dumped = original(self, **words)
    if id(self) in places and counts(sys._getframe(1)):
        read.update(places[id(self)] + key for key, _ in flatten(dumped))
    return dumped


def check(_: Params, *groups: str) -> None:
    checked.update(groups)


load_params = params.load_params
params.load_params = load
params.check_unchanged = check
original = Group.model_dump
Group.__getattribute__ = get
Group.model_dump = dump
stage, result = sys.argv[1:]
sys.path.insert(0, str(Path(stage).parent))
sys.argv = [stage]
runpy.run_path(stage, run_name="__main__")
Path(result).write_text(json.dumps({"read": sorted(read), "checked": sorted(checked)}))
