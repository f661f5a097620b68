"""What is said of trainings while they run."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bmn.base.errors import BmnError
from bmn.base.params import validate_params
from bmn.execution.jobs import Event
from bmn.training_jobs.trainings import Progress, train_seeds


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


def test_a_training_that_is_tried_again_is_told_of_from_its_beginning(clock, capsys):
    """Its process died; what the former told is nothing of the new one's."""
    progress, one = Progress(), {"trial 3"}
    progress.hear(Event("trial 3", "started", "here"), one)
    progress.hear(Event("trial 3", "told", {"epoch": 2, "done": 0.5}), one)
    clock[0] = 40.0
    progress.hear(Event("trial 3", "started", "here"), one)
    clock[0] = 80.0
    progress.hear(None, one)
    assert capsys.readouterr().out == ""
    progress.hear(Event("trial 3", "told", {"epoch": 0, "done": 0.0}), one)
    clock[0] = 120.0
    progress.hear(None, one)
    assert capsys.readouterr().out == "trial 3  epoch 0\n"


def test_a_second_bmn_seeds_of_the_same_is_refused(processed, tmp_path, monkeypatch):
    """They would share a run, and its trainings."""
    given = validate_params({"data": {"source": "synthetic"}}, "params.yaml"), [1], processed, tmp_path

    begun = []

    def engine(execution):
        begun.append(execution)
        if len(begun) == 1:
            with ThreadPoolExecutor(1) as pool, pytest.raises(BmnError, match="another bmn seeds trains with these"):
                pool.submit(train_seeds, *given).result()
        raise BmnError("seen")

    monkeypatch.setattr("bmn.training_jobs.trainings.open_engine", engine)
    with pytest.raises(BmnError, match="seen"):
        train_seeds(*given)
