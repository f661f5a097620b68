"""The one way to train, used by the pipeline stage, sweeps and :func:`bmn.train`."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from bmn.base.errors import BmnError
from bmn.base.schema import ModelParams, Params
from bmn.data.subset import Subset
from bmn.model.weights import read_weights
from bmn.training.checkpoint import PATIENCE, Checkpoints
from bmn.training.distributed import World
from bmn.training.loop import Position, Reporter, Trained, Trainer
from bmn.training.naming import name_of_training


class Training:
    """A training, resumed from where an earlier process left off.

    A context manager that locks its checkpoint folder, which is named after the code, parameters, data and initial
    weights, so that a training never resumes from another's checkpoint.

    Args:
        params: ``model``, ``train`` and ``execution`` are used.
        folder: of the checkpoints of all trainings.
        root: the folder that ``train.init_from`` is relative to.
        world: the processes that share it.
        patience: seconds to wait for another process running the same training; -1 waits forever.

    Attributes:
        folder: of its own checkpoints.
        trainer: the network and its progress.

    Raises:
        BmnError: the data are for a network of other sizes, the initial weights cannot be read or do not fit, or
            another process holds the lock.
    """

    def __init__(
        self,
        params: Params,
        training: Subset,
        validation: Subset,
        folder: Path,
        root: Path,
        world: World,
        patience: float = PATIENCE,
    ) -> None:
        _check_sizes(params.model, training)
        self._training, self._validation, self._world = training, validation, world
        self._minutes = params.execution.checkpoint_minutes
        self.trainer = Trainer(params.model, params.train, world)
        if params.train.init_from:
            origin = root / params.train.init_from
            self.trainer.start_from(world.from_first(lambda: read_weights(origin)), origin)
        self.folder = folder / world.from_first(lambda: name_of_training(params, training, validation, root))
        self._checkpoints = Checkpoints(self.folder, patience)
        self._held = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            if self._world.rank == 0:
                held.enter_context(self._checkpoints)
            self.trainer.resume(self._checkpoints)
            self._held = held.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._held.close()

    @property
    def position(self) -> Position:
        """The progress so far."""
        return self.trainer.position

    def run(self, report: Reporter | None = None, stop: Callable[[], bool] = lambda: False) -> Trained:
        """Train to the last epoch; see :meth:`bmn.training.loop.Trainer.fit`."""
        return self.trainer.fit(self._training, self._validation, self._checkpoints, self._minutes, report, stop)

    def clear(self) -> None:
        """Delete the checkpoints, once the result is stored elsewhere."""
        self._checkpoints.clear()


def _check_sizes(model: ModelParams, training: Subset) -> None:
    _, channels, tscale = training.store.array.shape
    if (channels, tscale) != (model.feat_dim, model.tscale):
        raise BmnError(
            f"the converted data have {channels} channels and {tscale} snippets, but model.feat_dim is "
            f"{model.feat_dim} and model.tscale {model.tscale}; run dvc repro convert, or correct params.yaml"
        )
