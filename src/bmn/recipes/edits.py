"""Edits of ``params.yaml`` that keep its comments."""

import difflib
import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bmn.base.files import atomic_file
from bmn.base.params import flatten, load_params, validate_params


def edit(path: Path, values: dict[str, Any]) -> str:
    """Write values under dotted keys into a parameter file, keeping its comments, if the result is valid.

    Returns:
        A unified diff.

    Raises:
        BmnError: the parameters are invalid, before or after the edit.
    """
    load_params(path)
    before = path.read_text(encoding="utf-8")
    yaml = YAML()
    yaml.width = 4096  # never wrap lines
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
    document = yaml.load(before)
    current = dict(flatten(document))
    for key, value in values.items():
        if current.get(key, ...) != value:
            *groups, last = key.split(".")
            group = document
            for part in groups:
                group = group.setdefault(part, {})
            group[last] = value
    validate_params(document, str(path))
    written = io.StringIO()
    yaml.dump(document, written)
    with atomic_file(path) as temporary:
        temporary.write_text(written.getvalue(), encoding="utf-8")
    lines = before.splitlines(), written.getvalue().splitlines()
    return "\n".join(difflib.unified_diff(*lines, "before", "after", lineterm="", n=0))
