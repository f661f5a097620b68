"""Can the network learn one batch by heart? The first question when own data do not train."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from bmn.base.schema import Params
from bmn.data.subset import Subset
from bmn.training.checkpoint import Checkpoints
from bmn.training.distributed import join
from bmn.training.loop import Position, Trainer

MINUTES = float("inf")  # between checkpoints within an epoch: none


class Told:
    """Passes on the rows of the epochs that were validated."""

    def __init__(self, tell: Callable[[dict[str, float]], None]) -> None:
        self._tell = tell

    def iteration(self, position: Position, metrics: dict[str, float]) -> None:
        """An iteration is done."""

    def epoch(self, row: dict[str, float]) -> None:
        """An epoch, which is one iteration, is done."""
        if "val/AUC" in row:
            self._tell(row)


def overfit(
    params: Params, training: Subset, iterations: int, tell: Callable[[dict[str, float]], None]
) -> tuple[Subset, list[dict[str, float]]]:
    """Train from scratch on the first batch of videos alone, at a constant learning rate, and validate on the same.

    Args:
        params: ``model``, ``train`` and ``execution.devices`` are used.
        iterations: all of the same batch.
        tell: receives the history's row of every tenth of the training.

    Returns:
        The videos, and the history: one row per iteration.

    Raises:
        BmnError: the loss is not finite.
    """
    batch = training.first(params.train.batch_size)
    recipe = params.train.model_copy(
        update={
            "epochs": iterations,
            "batch_size": len(batch.store),
            "validate_every": max(1, iterations // 10),
            "schedule": "piecewise",
            "warmup_iterations": 0,
            "decay_iteration": iterations,
            "decay_epoch": None,
            "early_stopping": None,
        }
    )
    with TemporaryDirectory() as folder, Checkpoints(Path(folder) / "overfit") as checkpoints:
        trainer = Trainer(params.model, recipe, join(params.execution.devices))
        trained = trainer.fit(batch, batch, checkpoints, MINUTES, Told(tell))
    return batch, trained.history
