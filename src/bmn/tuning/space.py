"""What a sweep varies: dotted keys of the parameters, each with a range or choices, checked before anything runs; and
what all its trials have in common: code, data, the other parameters."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmn.base.checksums import sha256
from bmn.base.errors import BmnError
from bmn.base.params import Dimension, Params, flatten, validate_params
from bmn.data.subset import Subset, open_subset
from bmn.provenance import NEUTRAL_PARAMETERS, identity

if TYPE_CHECKING:
    from optuna import Trial

TRAINED, SEARCHED = ("model.", "train."), "proposals."
FIXED = {  # why a sweep does not vary it
    "model.feat_dim": "the converted data has its value built in",
    "model.tscale": "the converted data has its value built in",
    "train.seed": "a lucky seed is no better recipe; tune.confirm tries several",
    "train.epochs": "successive halving shortens trainings by itself",
    "train.validate_every": "it does not change the weights",
    "train.checkpoint_minutes": "it does not change the weights",
    "train.devices": "it does not change the weights",
}
SUBSETS = ("training", "validation")
NOT_COMPARED = ("tune.trials", "tune.storage", "tune.study", "tune.confirm", "tune.sampler", "tune.seed")


class DataChangedError(BmnError):
    """The converted data was replaced while a sweep was under way: no trial of it can go on."""


@dataclass(frozen=True)
class Space:
    """A checked search space.

    Attributes:
        trained: dimensions that need a training each.
        searched: dimensions of ``proposals.``, tried many times on one trained network.
        defaults: the values that the parameters have outside the sweep, of all dimensions.
    """

    trained: dict[str, Dimension]
    searched: dict[str, Dimension]
    defaults: dict[str, Any]


def check_space(params: Params) -> Space:
    """The search space of ``tune.space``, all of it checked against what the parameters may be.

    Raises:
        BmnError: it is empty or varies nothing that is trained; a key does not exist or cannot be varied; an end of a
            range or a choice is not allowed there; the current value is not within. A line for each.
    """
    current = dict(flatten(params.model_dump(exclude={"tune", "execution"})))
    problems = [
        problem
        for key, dimension in params.tune.space.items()
        for problem in _problems(key, dimension, params, current)
    ]
    if problems:
        raise BmnError("\n".join(f"params.yaml: tune.space: {problem}" for problem in problems))
    trained = {key: _exact(dim, key, current) for key, dim in params.tune.space.items() if key.startswith(TRAINED)}
    if not trained:
        what = "is empty" if not params.tune.space else "varies proposals.* only, which one training can try out"
        raise BmnError(f"params.yaml: tune.space {what}; name a key of model or train, such as train.learning_rate")
    searched = {key: _exact(dim, key, current) for key, dim in params.tune.space.items() if key.startswith(SEARCHED)}
    return Space(trained, searched, {key: current[key] for key in trained | searched})


def _problems(key: str, dimension: Dimension, params: Params, current: Mapping[str, Any]) -> Iterable[str]:
    if key not in current:
        yield f"{key} is unknown; correct its spelling"
        return
    if key in FIXED or not key.startswith((*TRAINED, SEARCHED)):
        yield f"{key} cannot be varied: {FIXED.get(key, 'it does not change what is trained')}; remove it"
        return
    if dimension.of is not None and not isinstance(current.get(dimension.of), int | float):
        yield f"{key} is relative to {dimension.of}, which is no number of these parameters; correct its spelling"
        return
    dimension = _exact(dimension, key, current)
    for value in dimension.choices or (dimension.low, dimension.high):
        try:
            with_values(params, {key: value}, key)
        except BmnError as error:
            yield f"{key} reaches {value!r}; " + "; ".join(
                line.removeprefix(f"{key}: ") for line in str(error).splitlines()
            )
    if not contains(dimension, current[key]):
        yield (
            f"{key} is {current[key]!r} in params.yaml, outside of what is to be tried; the current value is always "
            f"the first trial, so widen the space or change the value"
        )


def _exact(dimension: Dimension, key: str, current: Mapping[str, Any]) -> Dimension:
    """The dimension in numbers of its own: multiplied by what it is relative to, with whole ends for a whole number."""
    if dimension.choices is not None:
        return dimension
    scale = 1 if dimension.of is None else current[dimension.of]
    low, high = _ends(dimension)
    ends = {"low": low * scale, "high": high * scale}
    if isinstance(current[key], int):
        ends = {name: round(end) if dimension.of or end.is_integer() else end for name, end in ends.items()}
    return dimension.model_copy(update={**ends, "of": None})


def contains(dimension: Dimension, value: Any) -> bool:
    """Whether a dimension reaches a value."""
    if dimension.choices is not None:
        return value in dimension.choices
    low, high = _ends(dimension)
    return bool(low <= value <= high)


def with_values(params: Params, values: Mapping[str, Any], origin: str) -> Params:
    """The parameters with other values under some dotted keys, validated; ``origin`` begins the error's lines."""
    changed = params.model_dump()
    for key, value in values.items():
        *groups, last = key.split(".")
        group = changed
        for name in groups:
            group = group[name]
        group[last] = value
    return validate_params(changed, origin)


def suggest(trial: "Trial", dimensions: Mapping[str, Dimension]) -> dict[str, Any]:
    """Let Optuna's sampler choose a value for each dimension."""
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
    """The value at a place of a dimension: 0 is its low end or first choice, 1 its high end or last choice.

    It has four digits, so that it can be read in params.yaml.
    """
    if dimension.choices is not None:
        return dimension.choices[min(int(place * len(dimension.choices)), len(dimension.choices) - 1)]
    low, high = _scaled_ends(dimension)
    value = math.exp(low + place * (high - low)) if dimension.log else low + place * (high - low)
    return round(value) if isinstance(dimension.low, int) else float(f"{value:.4g}")


def place_of(dimension: Dimension, value: Any) -> float:
    """A place of a dimension that has the value; see :func:`at`."""
    if dimension.choices is not None:
        return (dimension.choices.index(value) + 0.5) / len(dimension.choices)
    low, high = _scaled_ends(dimension)
    return ((math.log(value) if dimension.log else value) - low) / (high - low)


def _ends(dimension: Dimension) -> tuple[float, float]:
    if dimension.low is None or dimension.high is None:
        raise AssertionError("a dimension has choices or both ends")
    return dimension.low, dimension.high


def _scaled_ends(dimension: Dimension) -> tuple[float, float]:
    """On the scale on which places are even."""
    low, high = _ends(dimension)
    return (math.log(low), math.log(high)) if dimension.log else (low, high)


def digest(params: Params, data: str) -> str:
    """A name of all that two trials of one study must have in common: the code of a trial, the data, the parameters;
    the values of what is varied are left out.

    Two sweeps with the same digest are one sweep, also when ``make tune-apply`` wrote its best in between.

    Args:
        data: checksum of the converted data (:func:`digest_of_data`).
    """
    values = dict(flatten(params.model_dump(include={"model", "train", "proposals", "tune"})))
    kept = {
        key: value
        for key, value in values.items()
        if key not in params.tune.space and key not in NEUTRAL_PARAMETERS and not key.startswith(NOT_COMPARED)
    }
    initial = [sha256(Path(params.train.init_from))] if params.train.init_from else []
    return identity(Path(__file__).with_name("job.py"), kept, [data, *initial])


def digest_of_data(data: Path) -> str:
    """What the converted data is, by content: training and validation subset.

    Raises:
        BmnError: it is missing or damaged.
    """
    return "-".join(open_subset(data, name).digest for name in SUBSETS)


def open_data(data: Path, expected: str) -> tuple[Subset, Subset]:
    """The training and the validation subset of a sweep.

    Raises:
        DataChangedError: they are not what they were when the sweep began.
    """
    try:
        training, validation = (open_subset(data, name) for name in SUBSETS)
    except BmnError as error:
        raise DataChangedError(f"{error}; the sweep needs the data that it began with") from error
    if f"{training.digest}-{validation.digest}" != expected:
        raise DataChangedError(
            f"{data}: is not the data that this sweep began with; run dvc repro convert with the parameters of then to "
            f"go on, or begin another study: make tune STUDY=<another name>"
        )
    return training, validation
