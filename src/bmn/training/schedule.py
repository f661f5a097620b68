"""Learning-rate schedules."""

import math
from fractions import Fraction

from bmn.base.schema import TrainParams

DECAY = Fraction(7, 9)  # of the iterations before the published decay: 4,200 of 5,400 on ActivityNet


def learning_rate(recipe: TrainParams, iteration: int, iterations: int) -> float:
    """The learning rate at an iteration (from 0) of a training of ``iterations``.

    ``piecewise``, as published: ``learning_rate``, times ``decay_factor`` from ``decay_iteration`` on, or from the
    published fraction of the iterations on. ``cosine`` (arXiv 1608.03983, without restarts): from ``learning_rate``
    after the warm-up down to 0 after the last iteration.
    Over the first ``warmup_iterations`` either is multiplied by a factor that rises linearly to 1.
    """
    warmup = recipe.warmup_iterations
    factor = min(1.0, (iteration + 1) / warmup) if warmup else 1.0
    if recipe.schedule == "cosine":
        done = max(0, iteration - warmup) / max(1, iterations - warmup)
        factor *= 0.5 * (1.0 + math.cos(math.pi * done))
    else:
        decay = DECAY * iterations if recipe.decay_iteration is None else recipe.decay_iteration
        factor *= recipe.decay_factor if iteration >= decay else 1.0
    return recipe.learning_rate * factor
