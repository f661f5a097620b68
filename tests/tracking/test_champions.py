"""Each validation data set has one champion."""

import pytest
from mlflow import MlflowClient
from tracking.subsets import validation
from tracking.trainings import trained

from bmn import tracking
from bmn.tracking.models import champion_of, champion_runs, promote

pytestmark = [pytest.mark.xdist_group("tracking"), pytest.mark.usefixtures("project")]


def test_a_better_model_on_the_same_data_replaces_the_champion(tmp_path, capsys):
    """A different ground truth makes different data, however high the AUC on it."""
    digests = [validation(word).digest for word in ("data", "other data")]
    expected = [(1, None), (1, None), (1, None), (4, None), (4, 5), (4, 5)]
    given = ((60, "data"), (55, "data"), (60, "data"), (65, "data"), (90, "other data"), (70, "other data"))
    runs = []
    for number, ((auc, data), versions) in enumerate(zip(given, expected, strict=True)):
        runs.append(trained(tmp_path / f"{number}.json", auc, data))
        found = [champion_of(digest) for digest in digests]
        assert tuple(champion and int(champion.version) for champion in found) == versions
    assert champion_runs() == {runs[3], runs[4]}
    printed = capsys.readouterr().out.splitlines()
    name = f"AUC 60.00 on synthetic validation ({digests[0]})"
    assert printed[0] == f"model bmn version 1, {name}: first champion on these data"
    assert printed[2] == f"model bmn version 3, {name}: version 1 (60.00) remains the champion on these data"
    assert printed[3].endswith("new champion on these data, replacing version 1 (60.00)")
    assert printed[4].endswith("first champion on these data")
    client = MlflowClient()
    [model] = client.search_logged_models(
        [client.get_experiment_by_name("bmn").experiment_id], f"source_run_id = '{runs[3]}'"
    )
    promote(client, runs[3], model.model_id)
    assert len(client.search_model_versions("name = 'bmn'")) == 6
    assert capsys.readouterr().out.endswith(": champion on these data\n")


def test_without_a_validation_nothing_is_registered(params, tmp_path, capsys):
    with tracking.training_run(params, tmp_path / "run.json", []) as run:
        pass
    promote(MlflowClient(), run.run_id, "m-0")
    assert "not registered" in capsys.readouterr().out
    assert MlflowClient().search_registered_models() == []
    assert champion_runs() == set()
