"""The cost of options in the training recipe: real training on a little embedded data, alternating."""

import statistics
import tempfile
from pathlib import Path
from typing import Any

from bmn.acquire.raw import Raw
from bmn.acquire.synthetic import make_synthetic
from bmn.base.schema import ModelParams, TrainParams
from bmn.conversion.convert import Choices, convert
from bmn.data.subset import Subset, open_subset
from bmn.training.checkpoint import Checkpoints
from bmn.training.distributed import World
from bmn.training.loop import Position, Trainer

BATCH = 16  # the published one
CHOICES: dict[str, dict[str, Any]] = {
    "as published, micro-batches of 4": {},
    "micro_batch_size 1": {"micro_batch_size": 1},
    "micro_batch_size 16": {"micro_batch_size": 16},
    "clip_norm": {"clip_norm": 1.0},
    "scale_invariant": {"scale_invariant": True},
    "base_weight_decay": {"base_weight_decay": 1e-3},
    "ema_decay": {"ema_decay": 0.999},
    "schedule cosine, warmup_iterations": {"schedule": "cosine", "warmup_iterations": 2},
}


class _Pace:
    """Records the videos per second of every iteration except the first, which warms up."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def iteration(self, position: Position, metrics: dict[str, float]) -> None:
        if position.iteration > 1:
            self.seen.append(metrics["train/videos_per_second"])

    def epoch(self, row: dict[str, float]) -> None:
        """Validation is not measured."""


def costs(model: ModelParams, rounds: int) -> dict[str, list[float]]:
    """Seconds of an iteration on ``BATCH`` videos for each option, one per round."""
    found: dict[str, list[float]] = {name: [] for name in CHOICES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        training, validation = made_data(folder, model, 4 * BATCH, 4)
        for number in range(rounds):
            for choice, changes in CHOICES.items():
                pace = _Pace()
                recipe = TrainParams(batch_size=BATCH, epochs=1, **changes)
                checkpoints = Checkpoints(folder / choice / str(number))
                Trainer(model, recipe, World(0, 1)).fit(training, validation, checkpoints, 5.0, pace)
                found[choice].append(BATCH / statistics.median(pace.seen))
    return found


def made_data(folder: Path, model: ModelParams, training: int, validation: int) -> tuple[Subset, Subset]:
    """Embedded data of so many videos, converted below a folder."""
    sizes = {"training": training, "validation": validation}
    make_synthetic(folder / "raw", seed=3, videos=sizes, feat_dim=model.feat_dim, tscale=model.tscale)
    raw = Raw(folder / "raw/features", folder / "raw/annotations.json")
    convert(raw, folder / "processed", Choices(channels=model.feat_dim, tscale=model.tscale), folder / "work")
    return open_subset(folder / "processed", "training"), open_subset(folder / "processed", "validation")
