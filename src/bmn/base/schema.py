"""The schema of ``params.yaml``: groups of parameters with their types, ranges and defaults."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
LowerPrecision = Literal["float16", "int8"]
SHA256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Group(BaseModel):
    """A group of parameters: immutable, strictly typed, without unknown keys."""

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
    inside: Annotated[float, Field(gt=0, le=1)] = 0.75
    snippet_seconds: Positive | None = None
    synthetic: SyntheticParams = SyntheticParams()

    @model_validator(mode="after")
    def _has_addresses(self) -> Self:
        if self.source != "synthetic":
            for key in ("features", "annotations"):
                if getattr(self, key) is None:
                    raise ValueError(f"{key} is null; data.source {self.source} requires a path or URL")
        return self


class DownloadParams(Group):
    """Patience with servers."""

    timeout: Positive = 30.0
    attempts: Count = 8
    slowest: NotNegative = 1000.0
    slow_minutes: Positive = 5.0


class ExtractParams(Group):
    """From videos to features."""

    backbone: Annotated[str, Field(min_length=1)] = "mobilenet_v2"
    output: str | None = None
    fps: Annotated[float, Field(gt=0, le=120)] = 4.0
    frames: Annotated[int, Field(ge=1, le=256)] = 2
    size: Annotated[int, Field(ge=16, le=1024)] = 224
    mean: Annotated[list[float], Field(min_length=3, max_length=3)] = [0.485, 0.456, 0.406]
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)] = [0.229, 0.224, 0.225]
    motion: bool = False


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
            raise ValueError(f"dscale is {self.dscale}; it should be at most model.tscale ({self.tscale})")
        return self


class LossWeights(Group):
    """Weights of the three losses."""

    tem: NotNegative = 1.0
    pem_reg: NotNegative = 10.0
    pem_cls: NotNegative = 1.0

    def in_order(self) -> tuple[float, float, float]:
        """The weights of tem_loss, pem_reg_loss and pem_cls_loss."""
        return self.tem, self.pem_reg, self.pem_cls


class TrainParams(Group):
    """The training recipe; the defaults are the published ones."""

    seed: Annotated[int, Field(ge=0)] = 1
    epochs: Count = 9
    batch_size: Count = 16
    micro_batch_size: Count = 4
    init_from: str | None = None
    learning_rate: Positive = 1e-3
    schedule: Literal["piecewise", "cosine"] = "piecewise"
    warmup_iterations: Annotated[int, Field(ge=0)] = 0
    decay_iteration: Annotated[int, Field(ge=0)] = 4200
    decay_epoch: Annotated[int, Field(ge=0)] | None = None
    decay_factor: Positive = 0.1
    weight_decay: NotNegative = 1e-4
    base_weight_decay: NotNegative | None = None
    clip_norm: Positive | None = None
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Literal["off", "bf16", "fp16"] = "off"
    loss_weights: LossWeights = LossWeights()
    scale_invariant: bool = False
    validate_every: Count = 1
    early_stopping: Count | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.early_stopping is not None and self.early_stopping < self.validate_every:
            raise ValueError(
                f"early_stopping is {self.early_stopping}; "
                f"it should be at least train.validate_every ({self.validate_every})"
            )
        return self


class ClassifyParams(Group):
    """Labels of our own: the classifier of segments that is trained after the network."""

    enabled: bool = True
    penalty: Positive = 100.0


class ProposalSettings(Group):
    """How candidates are scored and how overlapping proposals are suppressed; the defaults are the published ones.

    Attributes:
        boundary_exponent: exponent of start probability · end probability in a score; >= 0 (0: ignored).
        regression_exponent: exponent of the regression channel; >= 0.
        classification_exponent: exponent of the classification channel; >= 0.
        alpha: scores decay by exp(-tIoU² / alpha); > 0.
        low_threshold: tIoU above which scores decay, when the selected proposal has zero width; in [0, 1].
        high_threshold: the same when it spans the whole video (or window); linear in between; in [0, 1].
        max_proposals: proposals kept per video; 1 to 100.
        voting_tiou: tIoU from which candidates vote on the boundaries of a kept proposal; in (0, 1], or None: they do
            not.
    """

    boundary_exponent: NotNegative = 1.0
    regression_exponent: NotNegative = 1.0
    classification_exponent: NotNegative = 1.0
    alpha: Positive = 0.4
    low_threshold: Fraction = 0.55
    high_threshold: Fraction = 0.9
    max_proposals: Annotated[int, Field(ge=1, le=100)] = 100
    voting_tiou: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.boundary_exponent == self.regression_exponent == self.classification_exponent == 0:
            raise ValueError(
                "boundary_exponent is 0, and so are regression_exponent and classification_exponent; "
                "at least one must be above 0, or every score is the same"
            )
        if self.low_threshold > self.high_threshold:
            raise ValueError(
                f"low_threshold is {self.low_threshold}; "
                f"it should be at most proposals.high_threshold ({self.high_threshold})"
            )
        return self


class EvaluateParams(Group):
    """Evaluation."""

    subset: Literal["training", "validation", "testing"] = "validation"
    batch_size: Count = 16
    classifier: str | None = None


class ExportParams(Group):
    """The inference model."""

    check_videos: Count = 8
    tolerance: Positive = 1e-5
    lower_precision: dict[LowerPrecision, Positive] = {}


class TrackingParams(Group):
    """MLflow."""

    experiment: Annotated[str, Field(min_length=1)] = "bmn"
    run_name: str | None = None
    log_every: Count = 10


class Dimension(Group):
    """The search space of one parameter: an inclusive range, or choices.

    Attributes:
        of: the dotted key of a parameter; the range's ends are fractions of its value.
    """

    low: Annotated[float, Field(allow_inf_nan=False)] | None = None
    high: Annotated[float, Field(allow_inf_nan=False)] | None = None
    log: bool = False
    of: str | None = None
    choices: Annotated[list[Any], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_range_or_choices(self) -> Self:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log or self.of is not None:
                raise ValueError("choices cannot be combined with low, high, log or of; keep one or the other")
        elif self.low is None or self.high is None:
            raise ValueError("low is missing; give low and high, or choices" if self.low is None else "high is missing")
        elif self.low >= self.high:
            raise ValueError(f"low is {self.low}; it should be below high ({self.high})")
        elif self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}; it should be above 0 when log is true")
        return self

    @model_serializer
    def _as_given(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in type(self).model_fields if key in self.model_fields_set}


class ExecutionParams(Group):
    """What is the machine's, not the recipe's: where work runs, and how often it is saved."""

    devices: Annotated[str, Field(pattern=r"^(auto|cpu(:[1-9]\d*)?|gpu:\d+(,\d+)*)$")] = "auto"
    checkpoint_minutes: Positive = 5.0
    engine: Literal["processes", "ray"] = "processes"
    address: str | None = None
    jobs: Count | None = None
    cpus: Count | None = None

    @property
    def device(self) -> str:
        """``auto``, ``cpu`` or ``gpu``: ``devices`` without their numbers."""
        return self.devices.partition(":")[0]


class ConfirmParams(Group):
    """How the best trials of a sweep are confirmed."""

    top: Count = 2
    seeds: Annotated[int, Field(ge=2)] = 3


class TuneParams(Group):
    """Sweeps; the keys of ``space`` are checked when a sweep starts."""

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
    download: DownloadParams = DownloadParams()
    extract: ExtractParams = ExtractParams()
    model: ModelParams = ModelParams()
    train: TrainParams = TrainParams()
    classify: ClassifyParams = ClassifyParams()
    proposals: ProposalSettings = ProposalSettings()
    evaluate: EvaluateParams = EvaluateParams()
    export: ExportParams = ExportParams()
    tracking: TrackingParams = TrackingParams()
    tune: TuneParams = TuneParams()
    execution: ExecutionParams = ExecutionParams()
