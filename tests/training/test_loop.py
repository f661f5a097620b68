from pathlib import Path

import numpy as np
import pytest

from bmn.base import errors
from bmn.base.errors import BmnError
from bmn.training.checkpoint import Checkpoints
from bmn.training.distributed import World
from bmn.training.loop import Trainer

ALONE = World(0, 1)


class Record:
    """Remembers what it is told; raises Stopped after an iteration."""

    def __init__(self, stop_after=None):
        self.metrics, self.rows, self.stop_after = [], [], stop_after

    def iteration(self, position, metrics):
        self.metrics.append(metrics)
        if position.iteration == self.stop_after:
            raise Stopped

    def epoch(self, row):
        self.rows.append(row)


class Stopped(Exception):
    pass


def fit(model, recipe, training, validation, folder, report=None, minutes=5.0):
    trainer = Trainer(model, recipe, ALONE)
    checkpoints = Checkpoints(folder)
    trainer.resume(checkpoints)
    return trainer.fit(training, validation, checkpoints, minutes, report)


def same(one, other):
    assert one.history == other.history
    for weights, others in ((one.best, other.best), (one.last, other.last)):
        assert weights.keys() == others.keys()
        for name in weights:
            np.testing.assert_array_equal(weights[name], others[name])


@pytest.fixture(scope="module")
def uninterrupted(model, recipe, training, validation, tmp_path_factory):
    record = Record()
    trained = fit(model, recipe, training, validation, tmp_path_factory.mktemp("checkpoints"), record)
    return trained, record


def test_the_same_seed_gives_the_same_training(model, recipe, training, validation, tmp_path, uninterrupted):
    same(fit(model, recipe, training, validation, tmp_path), uninterrupted[0])


def test_another_seed_gives_another(model, recipe, training, validation, tmp_path, uninterrupted):
    other = fit(model, recipe.model_copy(update={"seed": 2}), training, validation, tmp_path)
    assert other.history != uninterrupted[0].history


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4, 6])
def test_a_stopped_training_ends_as_if_it_had_not_been(
    model, recipe, training, validation, tmp_path, uninterrupted, stop_after
):
    """A checkpoint after each iteration; stopping between two of them loses nothing but the work in between."""
    with pytest.raises(Stopped):
        fit(model, recipe, training, validation, tmp_path, Record(stop_after), minutes=1e-9)
    same(fit(model, recipe, training, validation, tmp_path), uninterrupted[0])


def test_it_reports_each_iteration_and_each_epoch(uninterrupted):
    trained, record = uninterrupted
    assert len(record.metrics) == 6  # 10 videos in batches of 4: the last, incomplete one is left out
    assert record.rows == trained.history
    rates = [metrics["train/learning_rate"] for metrics in record.metrics]
    assert rates == pytest.approx([1e-3] * 5 + [1e-4])
    parts = record.metrics[0]
    total = parts["train/tem_loss"] + 10 * parts["train/pem_reg_loss"] + parts["train/pem_cls_loss"]
    assert parts["train/loss"] == pytest.approx(total, rel=1e-5)


def test_it_validates_at_the_interval_and_at_the_end(uninterrupted):
    assert ["val/AUC" in row for row in uninterrupted[0].history] == [False, True, True]


def test_the_best_weights_are_those_of_the_best_validation(uninterrupted):
    trained, _ = uninterrupted
    best = max((row for row in trained.history if "val/AUC" in row), key=lambda row: row["val/AUC"])
    is_last = best["epoch"] == 3
    name = "p_conv2d4.weight"
    assert np.array_equal(trained.best[name], trained.last[name]) == is_last


def test_training_lowers_the_loss(model, recipe, training, validation, tmp_path):
    longer = recipe.model_copy(update={"epochs": 12, "decay_iteration": 1000, "validate_every": 12})
    history = fit(model, longer, training, validation, tmp_path).history
    assert history[-1]["train/loss"] < 0.9 * history[0]["train/loss"]


def test_a_loss_that_is_not_finite_stops_it_with_the_videos_named(model, recipe, training, validation, tmp_path):
    hasty = recipe.model_copy(update={"learning_rate": 1e38})
    with pytest.raises(
        BmnError,
        match=r"iteration 1 .* not finite .* training_.*learning_rate \(now 1e\+38\).*checkpoint is none yet",
    ):
        fit(model, hasty, training, validation, tmp_path)


EVERYTHING = {
    "micro_batch_size": 2, "clip_norm": 0.5, "ema_decay": 0.9, "schedule": "cosine", "warmup_iterations": 2,
    "precision": "fp16", "early_stopping": 2, "base_weight_decay": 1e-3, "scale_invariant": True,
}  # fmt: skip


@pytest.mark.parametrize("stop_after", [1, 3])
def test_with_every_choice_taken_it_goes_on_bit_for_bit(model, recipe, training, validation, tmp_path, stop_after):
    rich = recipe.model_copy(update=EVERYTHING)
    expected = fit(model, rich, training, validation, tmp_path / "whole")
    with pytest.raises(Stopped):
        fit(model, rich, training, validation, tmp_path / "parts", Record(stop_after), minutes=1e-9)
    same(fit(model, rich, training, validation, tmp_path / "parts"), expected)


def test_a_gradient_that_is_too_long_is_scaled_down(model, recipe, training, validation, tmp_path):
    """After one update Adam's first moments are a tenth of the gradient that it got."""
    changes = {"clip_norm": 1e-3, "weight_decay": 0.0}
    clipped = recipe.model_copy(update=changes)
    with pytest.raises(Stopped):
        fit(model, clipped, training, validation, tmp_path, Record(stop_after=2), minutes=1e-9)
    arrays, state = Checkpoints(tmp_path).newest()
    assert state["iteration"] == 1
    gradients = [10 * array.astype("float64") for name, array in arrays.items() if name.endswith("_moment1_0")]
    assert np.sqrt(sum((gradient**2).sum() for gradient in gradients)) == pytest.approx(1e-3, rel=1e-4)


def test_the_base_module_can_have_a_penalty_of_its_own(model, recipe, training, validation, tmp_path):
    """After one update Adam's first moments are a tenth of the gradient and penalty: the difference is the penalty."""
    moments = {}
    for penalty in (None, 0.5):
        decayed = recipe.model_copy(update={"weight_decay": 0.1, "base_weight_decay": penalty})
        with pytest.raises(Stopped):
            fit(model, decayed, training, validation, tmp_path / str(penalty), Record(stop_after=2), minutes=1e-9)
        moments[penalty], _ = Checkpoints(tmp_path / str(penalty)).newest()
    start = Trainer(model, recipe, ALONE).network.state_dict()
    for name, weight in start.items():
        [key] = [key for key in moments[None] if key.startswith(f"optimizer/{name}/") and key.endswith("_moment1_0")]
        wanted = 0.1 * (0.5 - 0.1) * weight.numpy() * name.startswith(("b_conv1.", "b_conv2."))
        np.testing.assert_allclose(moments[0.5][key] - moments[None][key], wanted, atol=1e-7)


def test_averaged_weights_are_what_is_validated_and_kept(model, recipe, training, validation, tmp_path):
    plain = fit(model, recipe, training, validation, tmp_path / "plain")
    averaged = fit(model, recipe.model_copy(update={"ema_decay": 0.99}), training, validation, tmp_path / "averaged")
    losses = [[row["train/loss"] for row in trained.history] for trained in (plain, averaged)]
    assert losses[0] == losses[1]  # the training itself is the same
    assert plain.history[-1]["val/loss"] != averaged.history[-1]["val/loss"]
    name = "p_conv2d4.weight"
    assert not np.array_equal(plain.last[name], averaged.last[name])


def test_it_ends_early_when_the_validation_gets_no_better(model, recipe, training, validation, tmp_path):
    """With a learning rate of next to nothing, no epoch is better than the first."""
    idle = recipe.model_copy(update={"learning_rate": 1e-30, "validate_every": 1, "early_stopping": 2, "epochs": 9})
    assert len(fit(model, idle, training, validation, tmp_path).history) == 3


def test_asked_to_stop_it_leaves_a_checkpoint_of_the_last_iteration(
    model, recipe, training, validation, tmp_path, uninterrupted
):
    asked = iter([False, False, True])
    with pytest.raises(errors.Stopped, match="stopped after iteration 3"):
        Trainer(model, recipe, ALONE).fit(training, validation, Checkpoints(tmp_path), 5.0, None, lambda: next(asked))
    assert Checkpoints(tmp_path).newest()[1]["iteration"] == 3
    same(fit(model, recipe, training, validation, tmp_path), uninterrupted[0])


def test_given_weights_take_the_place_of_the_seeds(model, recipe, training, validation, tmp_path, uninterrupted):
    trainer = Trainer(model, recipe.model_copy(update={"seed": 5}), ALONE)
    trainer.start_from(uninterrupted[0].last, Path("given.pdparams"))
    for name, tensor in trainer.network.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), uninterrupted[0].last[name])
    with pytest.raises(BmnError, match=r"given\.pdparams: has no "):
        trainer.start_from({}, Path("given.pdparams"))
