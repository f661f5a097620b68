"""What is said of trainings while they run."""

import pytest

from bmn.execution.jobs import Event
from bmn.training_jobs.trainings import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr("bmn.training_jobs.trainings.time.monotonic", lambda: now[0])
    return now


def test_every_so_often_a_line_tells_epoch_auc_and_time_left_of_those_that_run(clock, capsys):
    progress, both = Progress(), {"trial 0", "trial 1"}
    for name in sorted(both):
        progress.hear(Event(name, "started", "here"), both)
    progress.hear(Event("trial 0", "told", {"epoch": 0, "done": 0.0}), both)
    progress.hear(Event("trial 1", "told", {"epoch": 1, "done": 0.25, "row": {"val/AUC": 61.234}}), both)
    clock[0] = 20.0
    progress.hear(None, both)
    assert capsys.readouterr().out == ""
    clock[0] = 40.0
    progress.hear(Event("trial 1", "told", {"epoch": 1, "done": 0.5}), both)
    assert capsys.readouterr().out.splitlines() == ["trial 0  epoch 0", "trial 1  epoch 1  AUC 61.23  80 s left"]
    clock[0] = 100.0
    progress.hear(None, {"trial 1"})  # the other was pruned
    assert capsys.readouterr().out.splitlines() == ["trial 1  epoch 1  AUC 61.23  3 min left"]
