"""Reading ``params.yaml``: validated against the schema, each error one sentence."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bmn.base.errors import BmnError
from bmn.base.files import read_yaml
from bmn.base.schema import Params

SHOWN = 10  # problems that one error names
MOVED = {  # parameters of version 0.1, and what they are called since
    "train.devices": "execution.devices",
    "train.checkpoint_minutes": "execution.checkpoint_minutes",
}
REPLACED = {  # parameters that are gone, and what is set instead
    "train.accumulation": "train.micro_batch_size, the videos that are computed at once, takes its place",
}


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate the parameters.

    Raises:
        BmnError: the file cannot be read, or keys are unknown, missing, of the wrong type or out of range; one line
            each names the dotted key, the value and what is allowed.
    """
    return validate_params(read_yaml(path), str(path))


def check_unchanged(params: Params, *groups: str, path: Path = Path("params.yaml")) -> None:
    """Refuse a result whose parameters have changed in the file since it was begun.

    DVC reads the file again when a stage ends, and would record the new values for what the old ones made.

    Args:
        params: that the result was made from.
        groups: dotted keys, or the beginnings of dotted keys, that affect it.

    Raises:
        BmnError: one of them has another value now, or the file is no longer valid.
    """
    before, now = (dict(flatten(values.model_dump())) for values in (params, load_params(path)))
    for key in now | before:
        if before.get(key) != now.get(key) and any(f"{key}.".startswith(f"{group}.") for group in groups):
            raise BmnError(
                f"{path}: {key} was {before.get(key)!r} when this stage began and is {now.get(key)!r} now; set it back "
                f"to keep the result, or run the stage again with the new value"
            )


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of nested parameters and their values."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def validate_params(values: Any, origin: str) -> Params:
    """Validate parameters that are already in memory; ``origin`` names where they come from in errors.

    Raises:
        BmnError: see :func:`load_params`.
    """
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
        sentences = [_sentence(dict(problem)) for problem in problems[:SHOWN]]
        if len(problems) > SHOWN:
            sentences.append(f"{len(problems) - SHOWN} more problems; correct these first")
        raise BmnError("\n".join(f"{origin}: {sentence}" for sentence in sentences)) from error


def _sentence(problem: dict[str, Any]) -> str:
    """A pydantic error as a sentence: dotted key, value, what is allowed."""
    parts = [f"{part!s:.100}" for part in problem["loc"] if part != "[key]"]  # [key]: pydantic's mark of a dict key
    key = ".".join(parts)
    value = f"{problem['input']!r:.200}"
    match problem["type"]:
        case "extra_forbidden":
            return f"{key} is unknown; {_spelling(key)}"
        case "missing":
            return f"{key} is missing; add it"
        case "value_error":
            return f"{key}.{problem['ctx']['error']}"
        case "model_type":
            return f"{key or 'the file'} is {value}; it should be a group of keys"
        case "string_pattern_mismatch" if key == "execution.devices":
            allowed = "should be auto, cpu, cpu:<processes> or gpu:<comma-separated numbers>"
        case _:
            message = problem["msg"].removeprefix("Input ")
            allowed = message[0].lower() + message[1:]
    return f"{key} is {value}; it {allowed}" if allowed.startswith("should") else f"{key} is {value}; {allowed}"


def _spelling(key: str) -> str:
    """What to do about an unknown key: what it is called now, or a known one that is spelled almost like it."""
    if key in MOVED:
        return f"it is {MOVED[key]} now, so move it there"
    if key in REPLACED:
        return f"remove it; {REPLACED[key]}"
    *place, last = key.split(".")
    group: Any = Params
    for part in place:
        field = getattr(group, "model_fields", {}).get(part)
        group = field.annotation if field else None
    near = get_close_matches(last, getattr(group, "model_fields", ()), n=1)
    return f"did you mean {near[0]}?" if near else "remove it or correct its spelling"
