"""The training loop: batches in, weights and a history out, with validation and checkpoints on the way.

Nothing here is random but what (seed, epoch, iteration) say, so a training that goes on from a checkpoint ends with
the weights of one that was never stopped.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Protocol

import numpy as np
import paddle
from numpy.typing import NDArray

from bmn.config import ModelParams, TrainParams
from bmn.data.batches import Batch, load_batches, training_batches
from bmn.data.labels import label_maps
from bmn.data.subset import Subset
from bmn.errors import BmnError
from bmn.model.losses import Losses, bmn_loss
from bmn.model.network import BMN
from bmn.training.checkpoint import Arrays, Checkpoints, pack, unpack
from bmn.training.distributed import World
from bmn.training.validation import validate

Weights = dict[str, NDArray[np.float32]]


class Reporter(Protocol):
    """Who wants to know how the training goes."""

    def iteration(self, position: "Position", metrics: dict[str, float]) -> None:
        """An iteration is done: loss parts, learning rate, gradient norm, videos a second."""

    def epoch(self, row: dict[str, float]) -> None:
        """An epoch is done: its line of the history."""


@dataclass
class Position:
    """How far a training is.

    Attributes:
        epoch: whole epochs done.
        batch: batches done of the epoch under way.
        iteration: batches done in all.
        sums: of the epoch under way, the sum over its batches of loss, tem_loss, pem_reg_loss, pem_cls_loss.
        history: a line for each epoch done.
        best_auc: the highest validation AUC so far, in percent.
    """

    epoch: int = 0
    batch: int = 0
    iteration: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * len(Losses._fields))
    history: list[dict[str, float]] = field(default_factory=list)
    best_auc: float = -1.0


@dataclass(frozen=True)
class Trained:
    """What a training ends with.

    Attributes:
        history: a line for each epoch.
        best: weights with the highest validation AUC.
        last: weights after the last iteration.
    """

    history: list[dict[str, float]]
    best: Weights
    last: Weights


class Trainer:
    """A training under way: the network, its optimizer and how far it is."""

    def __init__(self, model: ModelParams, recipe: TrainParams, world: World) -> None:
        paddle.seed(recipe.seed)
        self.recipe = recipe
        self.world = world
        self.network = BMN(**model.model_dump())
        self.optimizer = paddle.optimizer.Adam(
            learning_rate=recipe.learning_rate,
            parameters=self.network.parameters(),
            weight_decay=paddle.regularizer.L2Decay(recipe.weight_decay),
        )
        self.position = Position()
        self.best: Weights = {}

    def resume(self, checkpoints: Checkpoints) -> None:
        """Go back to the newest checkpoint, where there is one."""
        found = checkpoints.newest()
        if found is None:
            return
        arrays, state = found
        unpack(arrays, self.network, self.optimizer)
        self.best = {
            name.removeprefix("best/"): array for name, array in arrays.items() if name.startswith("best/")
        }
        self.position = Position(**state)

    def fit(
        self,
        training: Subset,
        validation: Subset,
        checkpoints: Checkpoints,
        report: Reporter | None,
    ) -> Trained:
        """Train to the last epoch, from where :meth:`resume` left off.

        Args:
            report: told how it goes; None on all processes but the first.

        Raises:
            BmnError: the loss is not finite, or a batch is larger than the training subset.
        """

        def save() -> None:
            if self.world.rank == 0:
                checkpoints.save(self.position.iteration, self._arrays(), asdict(self.position))

        while self.position.epoch < self.recipe.epochs:
            self._train_epoch(training, report, save)
            self._end_epoch(validation, report)
            save()
        last = {name: tensor.numpy() for name, tensor in self.network.state_dict().items()}
        return Trained(self.position.history, self.best, last)

    def _train_epoch(self, training: Subset, report: Reporter | None, save: Callable[[], None]) -> None:
        position, recipe = self.position, self.recipe
        batches = training_batches(
            recipe.seed, position.epoch, len(training.store), recipe.batch_size, self.world.rank, self.world.size
        )
        self.network.train()
        saved = stepped = time.monotonic()
        for batch in load_batches(training.store, training.segments, batches[position.batch :]):
            learning_rate = self._learning_rate()
            losses, gradient_norm = self._step(batch, learning_rate, training)
            position.batch += 1
            position.iteration += 1
            position.sums = [total + loss for total, loss in zip(position.sums, losses, strict=True)]
            now = time.monotonic()
            if report:
                metrics = {f"train/{name}": value for name, value in zip(Losses._fields, losses, strict=True)}
                metrics["train/learning_rate"] = learning_rate
                metrics["train/gradient_norm"] = gradient_norm
                metrics["train/videos_per_second"] = recipe.batch_size / (now - stepped)
                report.iteration(position, metrics)
            stepped = now
            if now - saved > 60 * recipe.checkpoint_minutes:
                save()
                saved = now

    def _step(self, batch: Batch, learning_rate: float, training: Subset) -> tuple[list[float], float]:
        """One update of the weights; gives the losses of the global batch and the norm of their gradient."""
        network, position, recipe = self.network, self.position, self.recipe
        rng = np.random.default_rng([recipe.seed, position.iteration])
        uniform = rng.random((2, network.dscale, network.tscale), dtype=np.float32)
        labels = label_maps(paddle.to_tensor(batch.segments), network.tscale, network.dscale)
        losses = bmn_loss(
            network(paddle.to_tensor(batch.features)),
            labels,
            paddle.to_tensor(uniform),
            recipe.loss_weights.in_order(),
            self.world.all_sum,
        )
        losses.loss.backward()
        self.world.sum_gradients(network.parameters())
        values = self.world.all_sum(paddle.stack([part.detach() for part in losses])).tolist()
        norm = paddle.sqrt(sum((p.grad**2).sum() for p in network.parameters())).item()
        if not np.isfinite([*values, norm]).all():
            parts = ", ".join(f"{name} {value}" for name, value in zip(Losses._fields, values, strict=True))
            videos = ", ".join(training.store.windows[row].video for row in batch.rows)
            raise BmnError(
                f"iteration {position.iteration} (epoch {position.epoch + 1}, batch {position.batch + 1}): the loss "
                f"is not finite ({parts}, gradient norm {norm}) on the videos {videos}; lower train.learning_rate "
                f"(now {learning_rate}) or look at the features of these videos"
            )
        self.optimizer.set_lr(learning_rate)
        self.optimizer.step()
        self.optimizer.clear_grad()
        return values, norm

    def _end_epoch(self, validation: Subset, report: Reporter) -> None:
        position, recipe = self.position, self.recipe
        row: dict[str, float] = {"epoch": position.epoch + 1, "iteration": position.iteration}
        row |= {
            f"train/{name}": total / position.batch
            for name, total in zip(Losses._fields, position.sums, strict=True)
        }
        last = position.epoch + 1 == recipe.epochs
        if last or (position.epoch + 1) % recipe.validate_every == 0:
            found = validate(self.network, validation, recipe.loss_weights, self.world)
            row |= found.metrics()
            if found.recall.auc > position.best_auc:
                position.best_auc = found.recall.auc
                self.best = {name: tensor.numpy() for name, tensor in self.network.state_dict().items()}
        position.history.append(row)
        position.epoch += 1
        position.batch = 0
        position.sums = [0.0] * len(Losses._fields)
        if report:
            report.epoch(row)

    def _learning_rate(self) -> float:
        decayed = self.position.iteration >= self.recipe.decay_iteration
        return self.recipe.learning_rate * (self.recipe.decay_factor if decayed else 1.0)

    def _arrays(self) -> Arrays:
        best = {f"best/{name}": array for name, array in self.best.items()}
        return pack(self.network, self.optimizer) | best
