"""Learning-rate schedules."""

import math

from bmn.base.schema import TrainParams


def learning_rate(recipe: TrainParams, iteration: int, iterations: int) -> float:
    """The learning rate at an iteration (from 0) of a training of ``iterations``.

    ``piecewise``, as published: ``learning_rate``, times ``decay_factor`` from ``decay_iteration`` on, or after
    ``decay_epoch`` epochs. ``cosine`` (arXiv 1608.03983, without restarts): from ``learning_rate`` after the warm-up
    down to 0 after the last iteration.
    Over the first ``warmup_iterations`` either is multiplied by a factor that rises linearly to 1.
    """
    warmup = recipe.warmup_iterations
    factor = min(1.0, (iteration + 1) / warmup) if warmup else 1.0
    if recipe.schedule == "cosine":
        done = max(0, iteration - warmup) / max(1, iterations - warmup)
        factor *= 0.5 * (1.0 + math.cos(math.pi * done))
    elif iteration >= _decay_iteration(recipe, iterations):
        factor *= recipe.decay_factor
    return recipe.learning_rate * factor


def _decay_iteration(recipe: TrainParams, iterations: int) -> int:
    if recipe.decay_epoch is None:
        return recipe.decay_iteration
    return recipe.decay_epoch * iterations // recipe.epochs
