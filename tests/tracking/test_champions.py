"""Each validation data set has one champion."""

import re
import threading

import pytest
from mlflow import MlflowClient
from tracking.subsets import validation
from tracking.trainings import trained

from bmn import tracking
from bmn.base.errors import BmnError
from bmn.cli.promote import main as promote
from bmn.cli.rollback import main as rollback
from bmn.tracking import champions
from bmn.tracking.champions import register
from bmn.tracking.models import champion_of, champion_runs

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
    assert "new champion on these data, replacing version 1 (60.00); evaluated +5.00 [+4." in printed[3]
    assert printed[3].endswith("] better")
    assert printed[4].endswith("first champion on these data")
    client = MlflowClient()
    [model] = client.search_logged_models(
        [client.get_experiment_by_name("bmn").experiment_id], f"source_run_id = '{runs[3]}'"
    )
    register(client, runs[3], model.model_id)
    assert len(client.search_model_versions("name = 'bmn'")) == 6
    assert capsys.readouterr().out.endswith(": champion on these data\n")


def test_a_champion_by_less_than_its_interval_is_said_to_be_one_by_chance(tmp_path, capsys):
    trained(tmp_path / "0.json", 60.0)
    trained(tmp_path / "1.json", 60.1)
    assert "replacing version 1 (60.00); evaluated +0.10 [-0." in capsys.readouterr().out
    description = MlflowClient().get_model_version("bmn", "2").description
    assert "+0.10 against version 1 (60.00); evaluated +0.10 [-0." in description
    assert "] within chance on synthetic validation" in description


def test_without_a_validation_nothing_is_registered(params, tmp_path, capsys):
    with tracking.training_run(params, tmp_path / "run.json", []) as run:
        pass
    register(MlflowClient(), run.run_id, "m-0")
    assert "not registered" in capsys.readouterr().out
    assert MlflowClient().search_registered_models() == []
    assert champion_runs() == set()


def test_the_champion_says_why_and_a_person_can_decide_otherwise(tmp_path, capsys):
    digest = validation("data").digest
    runs = [trained(tmp_path / f"{auc}.json", auc, "data") for auc in (60, 65, 55)]
    client = MlflowClient()

    def described(number):
        return client.get_model_version("bmn", str(number)).description

    assert described(1) == f"champion: AUC 60.00, the first on synthetic validation ({digest})"
    assert re.fullmatch(
        r"champion: AUC 65\.00, \+5\.00 against version 1 \(60\.00\); "
        r"evaluated \+5\.00 \[\+4\.\d\d, \+5\.\d\d\] better "
        rf"on synthetic validation \({digest}\)", described(2),
    )  # fmt: skip

    rollback(["2", "--reason", "misses short segments"], standalone_mode=False)
    assert int(champion_of(digest).version) == 1
    assert described(2) == "rolled back: misses short segments"
    capsys.readouterr()
    [model] = client.search_logged_models(
        [client.get_experiment_by_name("bmn").experiment_id], f"source_run_id = '{runs[1]}'"
    )
    register(client, runs[1], model.model_id)  # as a repeated export does
    assert int(champion_of(digest).version) == 1
    assert "rolled back (misses short segments)" in capsys.readouterr().out
    with pytest.raises(BmnError, match=r"version 2 is not the champion of its data .*: version 1 is"):
        rollback(["2", "--reason", "again"], standalone_mode=False)
    with pytest.raises(BmnError, match="version 1 is the first champion"):
        rollback(["1", "--reason", "too far"], standalone_mode=False)

    promote(["3", "--reason", "half the latency"], standalone_mode=False)
    assert int(champion_of(digest).version) == 3
    assert "promoted by hand, half the latency; AUC 55.00, -5.00 against version 1 (60.00)" in described(3)
    promote(["2", "--reason", "mended"], standalone_mode=False)
    for number, expected in ((2, 3), (3, 1)):
        rollback([str(number), "--reason", "back"], standalone_mode=False)
        assert int(champion_of(digest).version) == expected
    with pytest.raises(BmnError, match="version 1 is the champion of its data"):
        promote(["1", "--reason", "again"], standalone_mode=False)
    for unknown in ("99", "best"):
        with pytest.raises(BmnError, match=f"VERSION {unknown}: bmn has no such version"):
            promote([unknown, "--reason", "none"], standalone_mode=False)


def test_of_two_registered_at_once_the_better_is_the_champion(tmp_path, monkeypatch, capsys):
    """The worse compares itself with the former champion while the better takes its place."""
    trained(tmp_path / "60.json", 60)
    waiting = []
    monkeypatch.setattr("tracking.trainings.register", lambda *given: waiting.append(given))
    for auc in (65, 70):
        trained(tmp_path / f"{auc}.json", auc)
    compare, others = champions.compared, []

    def compared(*versions):
        if not others:
            others.append(threading.Thread(target=register, args=waiting[1]))
            others[0].start()
            others[0].join(timeout=1.0)
        return compare(*versions)

    monkeypatch.setattr(champions, "compared", compared)
    register(*waiting[0])
    others[0].join()
    assert champion_of(validation("data").digest).tags["val/AUC"] == "70.0"
