"""Learning one batch by heart."""

import pytest

from bmn.base.schema import Params
from bmn.training_jobs.overfit import overfit


@pytest.fixture(scope="module")
def params(model):
    return Params.model_validate(
        {"data": {"source": "synthetic"}, "train": {"batch_size": 4, "learning_rate": 0.005, "early_stopping": 1}}
    ).model_copy(update={"model": model})


def test_one_batch_is_learned(params, training):
    rows = []
    batch, history = overfit(params, training, 60, rows.append)
    assert list(batch.videos) == list(training.videos)[:4]
    assert [row["iteration"] for row in rows] == list(range(6, 61, 6))
    assert history[-1]["train/loss"] < history[0]["train/loss"] / 2
    assert history[-1]["val/AUC"] > rows[0]["val/AUC"]
