"""The search space: dotted keys of the parameters, each with a range or choices, checked before anything runs; and
what all trials of a sweep share: code, data, the other parameters."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmn.base.checksums import sha256
from bmn.base.errors import BmnError
from bmn.base.params import flatten, validate_params
from bmn.base.schema import Dimension, Params
from bmn.provenance import NEUTRAL_PARAMETERS, identity

if TYPE_CHECKING:
    from optuna import Trial

TRAINED, SEARCHED = ("model.", "train."), "proposals."
FIXED = {  # keys that a sweep cannot vary, and why
    "model.feat_dim": "the converted data has its value built in",
    "model.tscale": "the converted data has its value built in",
    "train.seed": "a lucky seed is no better recipe; tune.confirm tries several",
    "train.epochs": "successive halving shortens trainings by itself",
    "train.validate_every": "it does not change the weights",
}
NOT_COMPARED = ("tune.trials", "tune.storage", "tune.study", "tune.confirm", "tune.sampler", "tune.seed")


@dataclass(frozen=True)
class Space:
    """A checked search space.

    Attributes:
        trained: dimensions that need a training each.
        searched: dimensions of ``proposals.``, for the inner search on a trained network.
        defaults: the current values of all dimensions.
    """

    trained: dict[str, Dimension]
    searched: dict[str, Dimension]
    defaults: dict[str, Any]


def check_space(params: Params) -> Space:
    """The search space of ``tune.space``, checked against the schema of the parameters.

    Raises:
        BmnError: it is empty or varies nothing that is trained; a key does not exist or cannot be varied; an end of a
            range or a choice is invalid; the current value is outside. One line for each.
    """
    current = _checked(params)
    trained = {key: _exact(dim, key, current) for key, dim in params.tune.space.items() if key.startswith(TRAINED)}
    if not trained:
        what = "is empty" if not params.tune.space else "varies proposals.* only, which make tune-proposals searches"
        raise BmnError(f"params.yaml: tune.space {what}; name a key of model or train, such as train.learning_rate")
    searched = _searched(params, current)
    return Space(trained, searched, {key: current[key] for key in trained | searched})


def check_searched(params: Params) -> dict[str, Dimension]:
    """The dimensions of ``proposals.`` in ``tune.space``, checked as :func:`check_space` does.

    Raises:
        BmnError: there are none, or see :func:`check_space`.
    """
    searched = _searched(params, _checked(params))
    if not searched:
        raise BmnError("params.yaml: tune.space varies nothing of proposals; name a key such as proposals.alpha")
    return searched


def _searched(params: Params, current: Mapping[str, Any]) -> dict[str, Dimension]:
    return {key: _exact(dim, key, current) for key, dim in params.tune.space.items() if key.startswith(SEARCHED)}


def _checked(params: Params) -> dict[str, Any]:
    """The current values by dotted key, where nothing in ``tune.space`` is wrong."""
    current = dict(flatten(params.model_dump(exclude={"tune", "execution"})))
    problems = [
        problem
        for key, dimension in params.tune.space.items()
        for problem in _problems(key, dimension, params, current)
    ]
    if problems:
        raise BmnError("\n".join(f"params.yaml: tune.space: {problem}" for problem in problems))
    return current


def _problems(key: str, dimension: Dimension, params: Params, current: Mapping[str, Any]) -> Iterable[str]:
    if key not in current:
        yield f"{key} is unknown; correct its spelling"
        return
    if key in FIXED or not key.startswith((*TRAINED, SEARCHED)):
        yield f"{key} cannot be varied: {FIXED.get(key, 'it does not change what is trained')}; remove it"
        return
    if dimension.of is not None and not isinstance(current.get(dimension.of), int | float):
        yield f"{key} is relative to {dimension.of}, which is not a numeric parameter; correct its spelling"
        return
    dimension = _exact(dimension, key, current)
    for place, value in enumerate(dimension.choices or _ends(dimension)):
        try:
            with_values(params, {key: value}, key)
        except BmnError as error:
            if dimension.choices is None and _go_together(params, _of_proposals(params, place) | {key: value}):
                continue
            yield f"{key} reaches {value!r}; " + "; ".join(
                line.removeprefix(f"{key}: ") for line in str(error).splitlines()
            )
    if not contains(dimension, current[key]):
        yield (
            f"{key} is {current[key]!r} in params.yaml, outside its search space; the current value is always the "
            f"first trial, so widen the space or change the value"
        )


def _of_proposals(params: Params, end: int) -> dict[str, float]:
    """The lower (0) or upper (1) end of every range of ``proposals.``: what one may be depends on the others."""
    space = params.tune.space.items()
    return {key: _ends(one)[end] for key, one in space if key.startswith(SEARCHED) and one.choices is None}


def _go_together(params: Params, values: Mapping[str, Any]) -> bool:
    try:
        with_values(params, values, "")
    except BmnError:
        return False
    return True


def _exact(dimension: Dimension, key: str, current: Mapping[str, Any]) -> Dimension:
    """The dimension with absolute ends, integers for an integer parameter."""
    if dimension.choices is not None:
        return dimension
    scale = 1 if dimension.of is None else current[dimension.of]
    low, high = _ends(dimension)
    ends = {"low": low * scale, "high": high * scale}
    if isinstance(current[key], int):
        ends = {name: round(end) if dimension.of or end.is_integer() else end for name, end in ends.items()}
    return dimension.model_copy(update={**ends, "of": None})


def contains(dimension: Dimension, value: Any) -> bool:
    """Whether a value is within a dimension."""
    if dimension.choices is not None:
        return value in dimension.choices
    low, high = _ends(dimension)
    return bool(low <= value <= high)


def with_values(params: Params, values: Mapping[str, Any], origin: str) -> Params:
    """The parameters with some values replaced, by dotted key, validated; error lines start with ``origin``."""
    changed = params.model_dump()
    for key, value in values.items():
        *groups, last = key.split(".")
        group = changed
        for name in groups:
            group = group[name]
        group[last] = value
    return validate_params(changed, origin)


def suggest(trial: "Trial", dimensions: Mapping[str, Dimension]) -> dict[str, Any]:
    """Let Optuna choose a value for each dimension."""
    return {key: _suggest(trial, key, dimension) for key, dimension in dimensions.items()}


def _suggest(trial: "Trial", key: str, dimension: Dimension) -> Any:
    match dimension.choices, dimension.low, dimension.high:
        case list() as choices, _, _:
            return trial.suggest_categorical(key, choices)
        case _, int() as low, int() as high:
            return trial.suggest_int(key, low, high, log=dimension.log)
        case _, float() as low, float() as high:
            return trial.suggest_float(key, low, high, log=dimension.log)
    raise AssertionError(f"{key}: a dimension has choices or both ends")


def at(dimension: Dimension, place: float) -> Any:
    """The value at a position of a dimension: 0 is its low end or first choice, 1 its high end or last choice.

    It is rounded to four digits, to be readable in params.yaml.
    """
    if dimension.choices is not None:
        return dimension.choices[min(int(place * len(dimension.choices)), len(dimension.choices) - 1)]
    low, high = _scaled_ends(dimension)
    value = math.exp(low + place * (high - low)) if dimension.log else low + place * (high - low)
    return round(value) if isinstance(dimension.low, int) else float(f"{value:.4g}")


def place_of(dimension: Dimension, value: Any) -> float:
    """A position of a dimension with the value; see :func:`at`."""
    if dimension.choices is not None:
        return (dimension.choices.index(value) + 0.5) / len(dimension.choices)
    low, high = _scaled_ends(dimension)
    return ((math.log(value) if dimension.log else value) - low) / (high - low)


def _ends(dimension: Dimension) -> tuple[float, float]:
    if dimension.low is None or dimension.high is None:
        raise AssertionError("a dimension has choices or both ends")
    return dimension.low, dimension.high


def _scaled_ends(dimension: Dimension) -> tuple[float, float]:
    """On the scale on which positions are uniform."""
    low, high = _ends(dimension)
    return (math.log(low), math.log(high)) if dimension.log else (low, high)


def digest(params: Params, data: str) -> str:
    """Identifies what all trials of a study must share: code, data, and the parameters apart from the varied values.

    It stays the same when ``make tune-apply`` writes the best values.

    Args:
        data: digest of the converted data (:func:`bmn.training_jobs.data.digest_of_data`).
    """
    values = dict(flatten(params.model_dump(include={"model", "train", "proposals", "tune"})))
    kept = {
        key: value
        for key, value in values.items()
        if key not in params.tune.space and key not in NEUTRAL_PARAMETERS and not key.startswith(NOT_COMPARED)
    }
    initial = [sha256(Path(params.train.init_from))] if params.train.init_from else []
    return identity(Path(__file__).with_name("job.py"), kept, [data, *initial])
