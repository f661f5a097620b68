"""The training loop: batches in, weights and a history out, with validation and checkpoints in between.

All randomness derives from (seed, epoch, iteration), so a training that resumes from a checkpoint ends with the same
weights as one that was never stopped.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError, Stopped
from bmn.base.schema import ModelParams, TrainParams
from bmn.data.batches import Batch, load_batches, training_batches
from bmn.data.subset import Subset
from bmn.loss.losses import Losses
from bmn.model.network import BMN
from bmn.model.paddle import paddle
from bmn.model.weights import load_weights
from bmn.training.checkpoint import Checkpoints, pack, unpack
from bmn.training.distributed import World
from bmn.training.ema import WeightAverage
from bmn.training.gradients import batch_gradient, set_gradient
from bmn.training.precision import LossScale
from bmn.training.schedule import learning_rate
from bmn.training.validation import validate

Weights = dict[str, NDArray[np.float32]]


class Reporter(Protocol):
    """Receives the progress of a training."""

    def iteration(self, position: "Position", metrics: dict[str, float]) -> None:
        """After each iteration: losses, learning rate, gradient norm, videos per second."""

    def epoch(self, row: dict[str, float]) -> None:
        """After each epoch: its row of the history."""


@dataclass
class Position:
    """The progress of a training.

    Attributes:
        epoch: epochs completed.
        batch: batches completed in the current epoch.
        iteration: batches completed in total.
        sums: of loss, tem_loss, pem_reg_loss, pem_cls_loss over the batches of the current epoch.
        history: one row per completed epoch.
        best_auc: the highest validation AUC so far, in percent.
        best_epoch: the epoch that reached it.
    """

    epoch: int = 0
    batch: int = 0
    iteration: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * len(Losses._fields))
    history: list[dict[str, float]] = field(default_factory=list)
    best_auc: float = -1.0
    best_epoch: int = 0


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        history: one row per epoch.
        best: weights with the highest validation AUC.
        last: weights after the last iteration. With ``train.ema_decay`` both are averaged weights.
    """

    history: list[dict[str, float]]
    best: Weights
    last: Weights


class Trainer:
    """A training in progress: the network, its optimizer and its position."""

    def __init__(self, model: ModelParams, recipe: TrainParams, world: World) -> None:
        paddle.seed(recipe.seed)
        self.recipe = recipe
        self.world = world
        self.network = BMN(**model.model_dump())
        self.parameters = self.network.parameters()
        if recipe.base_weight_decay is not None:
            for parameter in self.network.b_conv1.parameters() + self.network.b_conv2.parameters():
                parameter.regularizer = paddle.regularizer.L2Decay(recipe.base_weight_decay)
        self.optimizer = paddle.optimizer.Adam(
            learning_rate=recipe.learning_rate,
            parameters=self.parameters,
            weight_decay=paddle.regularizer.L2Decay(recipe.weight_decay),
        )
        self.average = self._new_average()
        self.loss_scale = LossScale.start(recipe.precision)
        self.position = Position()
        self.best: Weights = {}
        self.saved = "none yet"

    def start_from(self, weights: Weights, origin: Path) -> None:
        """Start from given weights instead of random ones.

        Raises:
            BmnError: they do not fit the network; see :func:`bmn.model.weights.load_weights`.
        """
        load_weights(self.network, weights, origin)
        self.average = self._new_average()

    def resume(self, checkpoints: Checkpoints) -> None:
        """Restore the newest checkpoint, if any; only the first process reads it."""
        found = self.world.from_first(checkpoints.newest)
        if found is None:
            return
        arrays, state = found
        unpack(arrays, self.network, self.optimizer)
        if self.average:
            for name, average in self.average.average.items():
                paddle.assign(paddle.to_tensor(arrays[f"average/{name}"]), average)
        self.best = {name.removeprefix("best/"): array for name, array in arrays.items() if name.startswith("best/")}
        self.loss_scale = LossScale(**state.pop("loss_scale"))
        self.position = Position(**state)
        self.saved = f"that of iteration {self.position.iteration}"

    def fit(
        self,
        training: Subset,
        validation: Subset,
        checkpoints: Checkpoints,
        minutes: float,
        report: Reporter | None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Trained:
        """Train to the last epoch, from the current position.

        Args:
            minutes: between checkpoints within an epoch; one is also written after every epoch.
            report: receives the progress; None on all processes but the first.
            stop: called after every iteration; if it returns True on any process, all stop.

        Raises:
            BmnError: the loss is not finite, or a batch is larger than the training subset.
            Stopped: ``stop`` returned True; a checkpoint is written.
        """

        def save() -> None:
            if self.world.rank == 0:
                self._save(checkpoints)

        while not self._done():
            self._train_epoch(training, report, save, stop, minutes)
            self._end_epoch(validation, report)
            save()
        with self._averaged():
            return Trained(self.position.history, self.best, self._weights())

    def _done(self) -> bool:
        position, patience = self.position, self.recipe.early_stopping
        stalled = patience is not None and position.epoch - position.best_epoch >= patience
        return position.epoch == self.recipe.epochs or stalled

    def _train_epoch(
        self,
        training: Subset,
        report: Reporter | None,
        save: Callable[[], None],
        stop: Callable[[], bool],
        minutes: float,
    ) -> None:
        position, recipe = self.position, self.recipe
        batches = training_batches(
            recipe.seed, position.epoch, len(training.store), recipe.batch_size, self.world.rank, self.world.size
        )
        iterations = recipe.epochs * len(batches)
        self.network.train()
        saved = stepped = time.monotonic()
        for batch in load_batches(training.store, training.segments, batches[position.batch :]):
            rate = learning_rate(recipe, position.iteration, iterations)
            losses, norm, stopped = self._step(batch, rate, training, stop())
            position.batch += 1
            position.iteration += 1
            position.sums = [total + loss for total, loss in zip(position.sums, losses, strict=True)]
            now = time.monotonic()
            if report:
                metrics = {f"train/{name}": value for name, value in zip(Losses._fields, losses, strict=True)}
                metrics["train/learning_rate"] = rate
                metrics["train/gradient_norm"] = norm
                metrics["train/videos_per_second"] = recipe.batch_size / (now - stepped)
                report.iteration(position, metrics)
            stepped = now
            if stopped or now - saved > 60 * minutes:
                save()
                saved = now
            if stopped:
                raise Stopped(
                    f"the training was stopped after iteration {position.iteration}; its checkpoint is written, run "
                    f"the same command to resume"
                )

    def _step(self, batch: Batch, rate: float, training: Subset, stop: bool) -> tuple[list[float], float, bool]:
        """One update of the weights.

        Returns:
            The losses of the global batch, the norm of their gradient, and whether any process wants to stop.
        """
        network, position, recipe = self.network, self.position, self.recipe
        rng = np.random.default_rng([recipe.seed, position.iteration])
        uniform = rng.random((2, network.dscale, network.tscale), dtype=np.float32)
        scale = self.loss_scale.scale
        losses, gradient = batch_gradient(network, batch, uniform, recipe, self.world.all_sum, scale)
        asked = self.world.all_sum(paddle.full([1], float(stop), "float64"))
        # A step's one wait for the device: without the norm nobody knows whether the weights may change.
        *values, norm, asked = paddle.concat([losses, gradient.norm().reshape([1]), asked]).tolist()
        norm, stopped = norm / scale, asked > 0
        if not self.loss_scale.overflowed(bool(np.isfinite(norm))):
            if not np.isfinite([*values, norm]).all():
                raise BmnError(self._not_finite(batch, rate, training, values, norm))
            clip = 1.0 if recipe.clip_norm is None else min(1.0, recipe.clip_norm / max(norm, 1e-30))
            set_gradient(self.parameters, gradient * (clip / scale))
            self.optimizer.set_lr(rate)
            self.optimizer.step()
            if self.average:
                self.average.update(position.iteration + 1)
        self.optimizer.clear_grad()
        return values, norm, stopped

    def _not_finite(self, batch: Batch, rate: float, training: Subset, losses: list[float], norm: float) -> str:
        position = self.position
        parts = ", ".join(f"{name} {value}" for name, value in zip(Losses._fields, losses, strict=True))
        shares = self.world.gather([training.store.windows[row].video for row in batch.rows])
        videos = ", ".join(video for share in shares for video in share)
        return (
            f"iteration {position.iteration} (epoch {position.epoch + 1}, batch {position.batch + 1}): the loss is not "
            f"finite ({parts}, gradient norm {norm}) on the videos {videos}; lower train.learning_rate (now {rate}) "
            f"or check the features of these videos; the last checkpoint is {self.saved}"
        )

    def _end_epoch(self, validation: Subset, report: Reporter | None) -> None:
        position, recipe = self.position, self.recipe
        row: dict[str, float] = {"epoch": position.epoch + 1, "iteration": position.iteration}
        row |= {
            f"train/{name}": total / position.batch for name, total in zip(Losses._fields, position.sums, strict=True)
        }
        last = position.epoch + 1 == recipe.epochs
        if last or (position.epoch + 1) % recipe.validate_every == 0:
            with self._averaged():
                found = validate(self.network, validation, recipe, self.world)
                row |= found.metrics()
                if found.recall.auc > position.best_auc:
                    position.best_auc, position.best_epoch = found.recall.auc, position.epoch + 1
                    self.best = self._weights()
        position.history.append(row)
        position.epoch += 1
        position.batch = 0
        position.sums = [0.0] * len(Losses._fields)
        if report:
            report.epoch(row)

    def _new_average(self) -> WeightAverage | None:
        return WeightAverage(self.network, self.recipe.ema_decay) if self.recipe.ema_decay else None

    def _averaged(self) -> AbstractContextManager[None]:
        """Within this context the network holds the averaged weights, if there are any."""
        return self.average.in_network() if self.average else nullcontext()

    def _weights(self) -> Weights:
        return {name: tensor.numpy() for name, tensor in self.network.state_dict().items()}

    def _save(self, checkpoints: Checkpoints) -> None:
        arrays = pack(self.network, self.optimizer)
        arrays |= {f"best/{name}": array for name, array in self.best.items()}
        if self.average:
            arrays |= {f"average/{name}": tensor.numpy() for name, tensor in self.average.average.items()}
        state = asdict(self.position) | {"loss_scale": asdict(self.loss_scale)}
        checkpoints.save(self.position.iteration, arrays, state)
        self.saved = f"that of iteration {self.position.iteration}"
