import pytest

from bmn.base.schema import TrainParams
from bmn.training.schedule import learning_rate

PUBLISHED = TrainParams()


@pytest.mark.parametrize(("iteration", "rate"), [(0, 1e-3), (4199, 1e-3), (4200, 1e-4), (5000, 1e-4)])
def test_the_published_schedule(iteration, rate):
    assert learning_rate(PUBLISHED, iteration, 5400) == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(
    ("iteration", "fraction"),
    [(0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (9, 0.5 + 0.5**1.5), (14, 0.5), (19, 0.5 - 0.5**1.5), (24, 0.0)],
)
def test_cosine_after_a_warm_up_of_four(iteration, fraction):
    recipe = TrainParams(schedule="cosine", warmup_iterations=4, learning_rate=0.01)
    assert learning_rate(recipe, iteration, 24) == pytest.approx(0.01 * fraction, abs=1e-12)


def test_the_decay_may_be_told_in_epochs():
    recipe = TrainParams(epochs=8, decay_epoch=5)
    assert [learning_rate(recipe, iteration, 8 * 30) for iteration in (149, 150)] == pytest.approx([1e-3, 1e-4])


def test_a_warm_up_goes_before_the_published_schedule_too():
    recipe = TrainParams(warmup_iterations=2, decay_iteration=3)
    rates = [learning_rate(recipe, iteration, 5) for iteration in range(5)]
    assert rates == pytest.approx([5e-4, 1e-3, 1e-3, 1e-4, 1e-4])
