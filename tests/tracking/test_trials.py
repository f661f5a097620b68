"""The runs of a sweep: a parent and its children."""

import signal
import sys

import pytest
from mlflow import MlflowClient
from sqlalchemy.engine.default import DefaultDialect

from bmn.tracking.trials import Record


def test_a_child_that_is_stopped_while_it_begins_ends_with_its_parent(project, monkeypatch, params):
    record = Record("key", "sweep", params, {}, {})

    def stopped(*_, **__):
        raise SystemExit(143)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(MlflowClient, "log_batch", stopped)
        record.begin("trial 0", "trial 0", params, {})
    [child] = record.open_children()
    record.close("KILLED")
    assert MlflowClient().get_run(child).info.status == "KILLED"
    assert MlflowClient().get_run(record.run).info.status == "KILLED"


def test_a_signal_does_not_come_between_what_is_written_together(project, monkeypatch, params):
    """The exception would keep the transaction open in its traceback, and nothing could be written any more."""
    record = Record("key", "sweep", params, {}, {})
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    write = DefaultDialect.do_executemany

    def write_and_interrupt(*arguments, **words):
        write(*arguments, **words)
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr(DefaultDialect, "do_executemany", write_and_interrupt)
        record.begin("trial 0", "trial 0", params, {})
    assert stopped.value.code == 143
    [child] = record.open_children()
    record.close("KILLED")
    assert MlflowClient().get_run(child).info.status == "KILLED"
