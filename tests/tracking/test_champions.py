"""One champion for each validation data."""

import pytest
from mlflow import MlflowClient
from tracking.subsets import validation
from tracking.trainings import trained

from bmn import tracking
from bmn.tracking.models import champion_of, champion_runs, promote

pytestmark = [pytest.mark.xdist_group("tracking"), pytest.mark.usefixtures("project")]


def test_each_data_has_a_champion_that_changes_for_a_better_model_on_the_very_same(tmp_path, capsys):
    """Other ground truth is other data, however high the AUC on it."""
    digests = [validation(word).digest for word in ("data", "other data")]
    expected = [(1, None), (1, None), (1, None), (4, None), (4, 5), (4, 5)]
    given = ((60, "data"), (55, "data"), (60, "data"), (65, "data"), (90, "other data"), (70, "other data"))
    runs = []
    for number, ((auc, data), versions) in enumerate(zip(given, expected, strict=True)):
        runs.append(trained(tmp_path / f"{number}.json", auc, data))
        found = [champion_of(digest) for digest in digests]
        assert tuple(champion and int(champion.version) for champion in found) == versions
    assert champion_runs() == {runs[3], runs[4]}
    told = capsys.readouterr().out.splitlines()
    name = f"AUC 60.00 on synthetic validation ({digests[0]})"
    assert told[0] == f"model bmn version 1, {name}: the first, so the champion of these data"
    assert told[2] == f"model bmn version 3, {name}: version 1 (60.00) stays the champion of these data"
    assert told[3].endswith("the champion of these data now, before version 1 (60.00)")
    assert told[4].endswith("the first, so the champion of these data")
    client = MlflowClient()
    [model] = client.search_logged_models(
        [client.get_experiment_by_name("bmn").experiment_id], f"source_run_id = '{runs[3]}'"
    )
    promote(client, runs[3], model.model_id)
    assert len(client.search_model_versions("name = 'bmn'")) == 6
    assert capsys.readouterr().out.endswith("the champion of these data\n")


def test_without_a_validation_nothing_is_registered(params, tmp_path, capsys):
    with tracking.training_run(params, tmp_path / "run.json", []) as run:
        pass
    promote(MlflowClient(), run.run_id, "m-0")
    assert "not registered" in capsys.readouterr().out
    assert MlflowClient().search_registered_models() == []
    assert champion_runs() == set()
