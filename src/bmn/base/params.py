"""What ``params.yaml`` may say: its groups, types, ranges and combinations, each refusal in one sentence."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_serializer, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bmn.base.errors import BmnError

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
LowerPrecision = Literal["float16", "int8"]
SHA256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


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
    subsets: str | None = None
    ground_truth: str | None = None
    features_sha256: SHA256 | None = None
    annotations_sha256: SHA256 | None = None
    strict: bool = True
    length: Literal["resize", "window"] = "resize"
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.5
    snippet_seconds: Positive | None = None
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
    micro_batch_size: Count = 4
    init_from: str | None = None
    learning_rate: Positive = 1e-3
    schedule: Literal["piecewise", "cosine"] = "piecewise"
    warmup_iterations: Annotated[int, Field(ge=0)] = 0
    decay_iteration: Annotated[int, Field(ge=0)] = 4200
    decay_factor: Positive = 0.1
    weight_decay: NotNegative = 1e-4
    clip_norm: Positive | None = None
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Literal["off", "bf16", "fp16"] = "off"
    loss_weights: LossWeights = LossWeights()
    validate_every: Count = 1
    early_stopping: Count | None = None
    checkpoint_minutes: Positive = 5.0
    devices: Annotated[str, Field(pattern=r"^(auto|cpu(:[1-9]\d*)?|gpu:\d+(,\d+)*)$")] = "auto"

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.early_stopping is not None and self.early_stopping < self.validate_every:
            raise ValueError(
                f"early_stopping is {self.early_stopping}; "
                f"at least train.validate_every ({self.validate_every}) is allowed"
            )
        return self


class ProposalSettings(Group):
    """How candidates are scored and how overlapping proposals are suppressed; the defaults are the published ones.

    Attributes:
        boundary_exponent: weight of start probability · end probability in a score; 0 (ignored) or more.
        regression_exponent: weight of the regression channel; 0 or more.
        classification_exponent: weight of the classification channel; 0 or more.
        alpha: a score decays by exp(-tIoU² / alpha); greater than 0.
        low_threshold: the tIoU above which it decays, for a selected proposal of no width; 0 or more.
        high_threshold: the same for one as long as the video (the window); linear between; 0 or more.
        max_proposals: how many are kept a video; 1 or more.
    """

    boundary_exponent: NotNegative = 1.0
    regression_exponent: NotNegative = 1.0
    classification_exponent: NotNegative = 1.0
    alpha: Positive = 0.4
    low_threshold: Fraction = 0.55
    high_threshold: Fraction = 0.9
    max_proposals: Annotated[int, Field(ge=1, le=100)] = 100

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.boundary_exponent == self.regression_exponent == self.classification_exponent == 0:
            raise ValueError(
                "boundary_exponent is 0, and so are regression_exponent and classification_exponent; "
                "one at least above 0 is needed, or every score is the same"
            )
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
    classifier: str | None = None


class ExportParams(Group):
    """The inference model."""

    onnx: bool = False
    check_videos: Count = 8
    tolerance: Positive = 1e-5
    lower_precision: dict[LowerPrecision, Positive] = {}

    @model_validator(mode="after")
    def _is_made_of_onnx(self) -> Self:
        if self.lower_precision and not self.onnx:
            raise ValueError(
                f"lower_precision is {self.lower_precision}; it is made from BMN.onnx, so set export.onnx to true"
            )
        return self


class TrackingParams(Group):
    """MLflow."""

    experiment: Annotated[str, Field(min_length=1)] = "bmn"
    run_name: str | None = None
    log_every: Count = 10


class Dimension(Group):
    """What a parameter may be in a sweep: a range with both ends, or choices.

    Attributes:
        of: the dotted key of a parameter that the ends of a range are fractions of.
    """

    low: Annotated[float, Field(allow_inf_nan=False)] | None = None
    high: Annotated[float, Field(allow_inf_nan=False)] | None = None
    log: bool = False
    of: str | None = None
    choices: Annotated[list[Any], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log or self.of is not None:
                raise ValueError("choices stand beside low, high, log or of; keep one of both")
        elif self.low is None or self.high is None:
            raise ValueError("low is missing; give low and high, or choices" if self.low is None else "high is missing")
        elif self.low >= self.high:
            raise ValueError(f"low is {self.low}; below high ({self.high}) is allowed")
        elif self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}; above 0 is allowed where log is true")
        return self

    @model_serializer
    def _as_given(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in type(self).model_fields if key in self.model_fields_set}


class ExecutionParams(Group):
    """Where jobs run: trials, seeds, chunks of predictions."""

    engine: Literal["processes", "ray"] = "processes"
    address: str | None = None
    jobs: Count | None = None
    cpus: Count | None = None


class ConfirmParams(Group):
    """How the best of a sweep are confirmed."""

    top: Count = 2
    seeds: Annotated[int, Field(ge=2)] = 3


class TuneParams(Group):
    """Sweeps; what ``space`` names is checked when a sweep starts."""

    study: Annotated[str, Field(pattern=r"^[\w. -]+$")] = "bmn"
    storage: str | None = None
    trials: Count = 20
    seed: Annotated[int, Field(ge=0)] = 1
    sampler: Literal["tpe", "random"] = "tpe"
    first_epochs: Count = 1
    reduction: Annotated[int, Field(ge=2)] = 2
    cost: bool = False
    evaluations: Count = 200
    confirm: ConfirmParams = ConfirmParams()
    space: dict[str, Dimension] = {}


class Params(Group):
    """The whole of ``params.yaml``."""

    data: DataParams
    model: ModelParams = ModelParams()
    train: TrainParams = TrainParams()
    proposals: ProposalSettings = ProposalSettings()
    evaluate: EvaluateParams = EvaluateParams()
    export: ExportParams = ExportParams()
    tracking: TrackingParams = TrackingParams()
    tune: TuneParams = TuneParams()
    execution: ExecutionParams = ExecutionParams()


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


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of nested parameters, with their values."""
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
        sentences = (_sentence(dict(problem)) for problem in error.errors())
        raise BmnError("\n".join(f"{origin}: {sentence}" for sentence in sentences)) from error


def _sentence(problem: dict[str, Any]) -> str:
    """One of pydantic's problems as a sentence: dotted key, value, what is allowed."""
    key = ".".join(str(part) for part in problem["loc"] if part != "[key]")  # [key]: pydantic's, for a key of a dict
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
