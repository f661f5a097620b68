"""The one way to train: the pipeline's stage, sweeps and benchmarks call it, and people as :func:`bmn.train`."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from bmn.base.params import Params
from bmn.data.subset import Subset
from bmn.model.weights import read_weights
from bmn.training.checkpoint import PATIENCE, Checkpoints
from bmn.training.distributed import World
from bmn.training.loop import Position, Reporter, Trained, Trainer
from bmn.training.naming import name_of_training


class Training:
    """A training with all that shapes it, at the point where an earlier start of the same training left off.

    A context manager, in which it holds the folder of its checkpoints. The folder is named after the code, the
    parameters, the data and the initial weights; a training never resumes from another's checkpoint.

    Args:
        params: ``model`` and ``train`` shape it.
        folder: of the checkpoints of all trainings.
        root: that ``train.init_from`` is relative to.
        world: the processes that share it.
        patience: seconds to wait for another process at the same training; -1 is as long as it takes.

    Attributes:
        folder: of its own checkpoints.
        trainer: the network and how far it is.

    Raises:
        BmnError: the initial weights cannot be read or do not fit, or another process holds the folder.
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
        self._training, self._validation, self._world = training, validation, world
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
        """How far it is."""
        return self.trainer.position

    def run(self, report: Reporter | None = None, stop: Callable[[], bool] = lambda: False) -> Trained:
        """Train to the last epoch; see :meth:`bmn.training.loop.Trainer.fit`."""
        return self.trainer.fit(self._training, self._validation, self._checkpoints, report, stop)

    def clear(self) -> None:
        """Remove the checkpoints: what came of the training is kept elsewhere."""
        self._checkpoints.clear()
