"""What ``params.yaml`` may say: its groups, types, ranges and combinations, each refusal in one sentence."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bmn.errors import BmnError

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Group(BaseModel):
    """A group of parameters: immutable, exact types, no unknown key."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SyntheticParams(Group):
    """The embedded data set."""

    seed: Annotated[int, Field(ge=0)] = 7
    training_videos: Count = 320
    validation_videos: Count = 120


class DataParams(Group):
    """Where features and annotations come from."""

    source: Literal["synthetic", "activitynet", "local"]
    features: str | None = None
    annotations: str | None = None
    strict: bool = True
    synthetic: SyntheticParams = SyntheticParams()

    @model_validator(mode="after")
    def _has_addresses(self) -> Self:
        if self.source != "synthetic":
            for key in ("features", "annotations"):
                if getattr(self, key) is None:
                    raise ValueError(f"{key} is null; data.source {self.source} needs a path or URL there")
        return self


class ModelParams(Group):
    """The network; the defaults are the published sizes."""

    feat_dim: Annotated[int, Field(ge=4, multiple_of=4)] = 400
    tscale: Annotated[int, Field(ge=2)] = 100
    dscale: Count = 100
    num_sample: Count = 32
    num_sample_perbin: Count = 3
    prop_boundary_ratio: NotNegative = 0.5

    @model_validator(mode="after")
    def _durations_fit(self) -> Self:
        if self.dscale > self.tscale:
            raise ValueError(f"dscale is {self.dscale}; at most model.tscale ({self.tscale}) is allowed")
        return self


class LossWeights(Group):
    """Factors of the three losses."""

    tem: NotNegative = 1.0
    pem_reg: NotNegative = 10.0
    pem_cls: NotNegative = 1.0

    def in_order(self) -> tuple[float, float, float]:
        """The factors of tem_loss, pem_reg_loss and pem_cls_loss."""
        return self.tem, self.pem_reg, self.pem_cls


class TrainParams(Group):
    """The recipe; the defaults are the published one."""

    seed: Annotated[int, Field(ge=0)] = 1
    epochs: Count = 9
    batch_size: Count = 16
    learning_rate: Positive = 1e-3
    decay_iteration: Annotated[int, Field(ge=0)] = 4200
    decay_factor: Positive = 0.1
    weight_decay: NotNegative = 1e-4
    loss_weights: LossWeights = LossWeights()
    validate_every: Count = 1
    checkpoint_minutes: Positive = 5.0
    devices: Annotated[str, Field(pattern=r"^(auto|cpu(:[1-9]\d*)?|gpu:\d+(,\d+)*)$")] = "auto"


class ProposalsParams(Group):
    """From maps to scored segments."""

    alpha: Positive = 0.4
    low_threshold: Fraction = 0.55
    high_threshold: Fraction = 0.9
    max_proposals: Annotated[int, Field(ge=1, le=100)] = 100

    @model_validator(mode="after")
    def _thresholds_rise(self) -> Self:
        if self.low_threshold > self.high_threshold:
            raise ValueError(
                f"low_threshold is {self.low_threshold}; "
                f"at most proposals.high_threshold ({self.high_threshold}) is allowed"
            )
        return self


class EvaluateParams(Group):
    """The evaluation."""

    subset: Literal["training", "validation", "testing"] = "validation"
    batch_size: Count = 16


class ExportParams(Group):
    """The inference model."""

    check_videos: Count = 8
    tolerance: Positive = 1e-5


class TrackingParams(Group):
    """MLflow."""

    experiment: Annotated[str, Field(min_length=1)] = "bmn"
    run_name: str | None = None
    log_every: Count = 10


class Params(Group):
    """The whole of ``params.yaml``."""

    data: DataParams
    model: ModelParams = ModelParams()
    train: TrainParams = TrainParams()
    proposals: ProposalsParams = ProposalsParams()
    evaluate: EvaluateParams = EvaluateParams()
    export: ExportParams = ExportParams()
    tracking: TrackingParams = TrackingParams()


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate the parameters.

    Raises:
        BmnError: the file cannot be read, or a key is unknown, missing, of the wrong type or out of range; a line
            for each names the dotted key, the value and what is allowed.
    """
    try:
        values = YAML(typ="safe").load(path)
    except OSError as error:
        raise BmnError(f"{path}: cannot be read ({error.strerror}); run from the project's folder") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise BmnError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
    return validate_params(values, str(path))


def validate_params(values: Any, origin: str) -> Params:
    """Validate parameters that are already in memory; ``origin`` names where they come from in errors.

    Raises:
        BmnError: see :func:`load_params`.
    """
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        sentences = (_sentence(dict(problem)) for problem in error.errors())
        raise BmnError("\n".join(f"{origin}: {sentence}" for sentence in sentences)) from error


def _sentence(problem: dict[str, Any]) -> str:
    """One of pydantic's problems as a sentence: dotted key, value, what is allowed."""
    key = ".".join(str(part) for part in problem["loc"])
    value = problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            return f"{key} is unknown; remove it or correct its spelling"
        case "missing":
            return f"{key} is missing; add it"
        case "value_error":
            return f"{key}.{problem['ctx']['error']}"
        case "model_type":
            return f"{key or 'the file'} is {value!r}; a group of keys is expected"
        case "string_pattern_mismatch" if key == "train.devices":
            allowed = "auto, cpu, cpu:<processes> or gpu:<numbers separated by commas> is expected"
        case _:
            message = problem["msg"].removeprefix("Input ")
            allowed = message[0].lower() + message[1:]
    return f"{key} is {value!r}; it {allowed}" if allowed.startswith("should") else f"{key} is {value!r}; {allowed}"
