"""A store with copies of a run."""

import pytest
from mlflow import MlflowClient
from tracking.conftest import project as project
from tracking.trainings import trained

from benchmarks.lab import multiply
from bmn.tracking.compare import choose, grouped

pytestmark = [pytest.mark.xdist_group("tracking"), pytest.mark.usefixtures("project")]


def test_copies_of_a_run_can_be_compared_with_it(project):
    client = MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")
    one = client.get_run(trained(project / "run.json", 60.0))
    multiply(f"sqlite:///{project}/mlruns/mlflow.db", "bmn", 3)
    [group] = grouped(choose([], "bmn"))
    assert len(group.rows) == 4
    copies = [run for run in group.runs if run.info.run_id != one.info.run_id]
    assert [copy.data.metrics for copy in copies] == 3 * [one.data.metrics]
    assert [copy.data.params for copy in copies] == 3 * [one.data.params]
