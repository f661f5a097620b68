"""The runs of a sweep: a parent and its children."""

import pytest
from mlflow import MlflowClient

from bmn.tracking.trials import Record


def test_a_child_that_is_stopped_while_it_begins_ends_with_its_parent(project, monkeypatch, params):
    record = Record("key", "sweep", params, {}, {})

    def stopped(*_, **__):
        raise SystemExit(143)

    with monkeypatch.context() as signal, pytest.raises(SystemExit):
        signal.setattr(MlflowClient, "log_batch", stopped)
        record.begin("trial 0", "trial 0", params, {})
    [child] = record.open_children()
    record.close("KILLED")
    assert MlflowClient().get_run(child).info.status == "KILLED"
    assert MlflowClient().get_run(record.run).info.status == "KILLED"
