"""Evaluations, exports and data reports: logged once despite kills, and again when they differ."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tracking.subsets import results, validation

from bmn import tracking
from bmn.base.params import validate_params
from bmn.tracking.delivery import outboxes
from bmn.tracking.evaluations import evaluated_on, read_videos

pytestmark = [pytest.mark.xdist_group("tracking"), pytest.mark.usefixtures("project")]
HERE = Path(__file__).parent


@pytest.fixture
def trained(params):
    """The run of a finished training."""
    with tracking.training_run(params, Path("run.json"), [validation()]) as run:
        run.metrics({"val/AUC": 60.0}, 5)
    return run.run_id


def file_all(*words):
    done = subprocess.run(
        [sys.executable, HERE / "filing.py", *map(str, words)],
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1] / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -9), done.stderr
    return done


def points(run_id, name):
    history = MlflowClient(tracking.store_uri()).get_metric_history(run_id, name)
    return sorted((point.step, point.value, point.timestamp) for point in history)


def stored(run_id):
    """All that the store has of a run, except times, ids and measurements."""
    client = MlflowClient(tracking.store_uri())
    run = client.get_run(run_id)
    metrics = {name: [point[:2] for point in points(run_id, name)] for name in run.data.metrics}
    latency = metrics.pop("export/latency_ms/BMN.json")
    models = client.search_logged_models([run.info.experiment_id])
    assert {output.model_id for output in run.outputs.model_outputs} == {model.model_id for model in models}
    versions = client.search_model_versions("name = 'bmn'")
    tags = {
        key: value for key, value in run.data.tags.items() if key.startswith(("proposals.", "evaluate.", "export."))
    }
    files = [item.path for item in client.list_artifacts(run_id)]
    return (
        metrics, len(latency), tags, files, run.info.status, [(model.name, str(model.status)) for model in models],
        client.get_registered_model("bmn").aliases, [(version.version, version.tags) for version in versions],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(int(os.environ.get("BMN_TEST_KILLS", "1"))))
def test_killed_and_logged_again_it_is_there_once(trained, exported, tmp_path, monkeypatch, params, seed):
    whole = file_all(trained, exported, 0.4)
    expected = stored(trained)
    assert expected[1] == 1
    assert len(expected[0]["evaluate/AR"]) == 100
    assert expected[-2] == {f"champion-{validation().digest}": 1}
    commits = int(whole.stdout.split()[-1])
    assert commits > 10
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with tracking.training_run(params, Path("run.json"), [validation()]) as run:
        run.metrics({"val/AUC": 60.0}, 5)
    for moment in random.Random(seed).sample(range(4, commits - 4), 3):
        assert file_all(run.run_id, exported, 0.4, moment).returncode == -9
    for _ in range(2):
        file_all(run.run_id, exported, 0.4)
        assert stored(run.run_id) == expected


def test_another_evaluation_is_a_run_of_its_own_and_is_there_once(params, trained, tmp_path):
    def evaluate(params, auc, files, on="data"):
        tracking.log_evaluation(
            params, trained, validation(on), results(auc), {"evaluate/AUC": auc}, {"evaluate/AR": ([1], [5.0])}, files
        )

    evaluate(params, 60.0, {})
    values = {"data": {"source": "synthetic"}, "proposals": {"alpha": 0.7}}
    other = validate_params(values, "params.yaml")
    with pytest.raises(FileNotFoundError):
        evaluate(other, 50.0, {tmp_path / "missing": "proposals"})
    client = MlflowClient()
    experiment = client.get_experiment_by_name("bmn").experiment_id
    [failed] = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{trained}'")
    assert (failed.info.status, failed.info.run_name) == ("FAILED", "alpha=0.7")
    assert "proposals.alpha" not in failed.data.tags  # the settings come last
    for _ in range(2):
        evaluate(other, 50.0, {})
        evaluate(params, 60.0, {})
        evaluate(validate_params(values | {"evaluate": {"subset": "training"}}, "params.yaml"), 90.0, {}, "training")
    whole = client.get_run(trained)
    assert (whole.data.metrics["evaluate/AUC"], whole.data.tags["proposals.alpha"]) == (60.0, "0.4")
    assert len(points(trained, "evaluate/AUC")) == 1
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{trained}'")
    found = {run.info.run_name: (run.data.metrics["evaluate/AUC"], run.info.status, run.data.params) for run in runs}
    assert found == {
        "alpha=0.7": (50.0, "FINISHED", whole.data.params),
        "alpha=0.7 subset=training": (90.0, "FINISHED", whole.data.params),
    }
    assert len(points(failed.info.run_id, "evaluate/AUC")) == 1
    stored = read_videos(client, client.get_run(failed.info.run_id))
    assert stored.found["AUC"].tolist() == results(50.0).found["AUC"].tolist()
    assert sorted(map(evaluated_on, runs)) == sorted(
        f"synthetic validation ({validation(on).digest})" for on in ("data", "training")
    )


def test_one_run_stands_in_for_a_run_of_another_store(params):
    for _ in range(2):
        tracking.log_evaluation(params, "0" * 32, validation(), results(), {"evaluate/AUC": 60.0}, {}, {})
    client = MlflowClient()
    [run] = client.search_runs([client.get_experiment_by_name("bmn").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.tags["bmn.trained_in_run"] == "0" * 32
    assert len(points(run.info.run_id, "evaluate/AUC")) == 1


def test_what_the_training_could_not_send_is_sent_first(params, trained):
    """A journal that is left over, as if the server had been down at the end of the training."""
    folder = outboxes() / trained
    folder.mkdir(parents=True)
    status = {"kind": "status", "status": "FINISHED", "time": 1}
    (folder / "journal.jsonl").write_text(f'["train/loss", "0.5", 1, 1]\n{json.dumps(status)}\n')
    tracking.log_evaluation(params, trained, validation(), results(), {"evaluate/AUC": 60.0}, {}, {})
    assert MlflowClient().get_run(trained).data.metrics["train/loss"] == 0.5
    assert not folder.exists()


def test_a_data_report_is_a_run_of_its_own(params, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report.html").write_text("page")
    tracking.log_data_report(params, [validation()], {"validation/videos": 3.0}, tmp_path / "report")
    with pytest.raises(AttributeError):
        tracking.log_data_report(params, [None], {}, tmp_path / "report")
    client = MlflowClient()
    experiment = client.get_experiment_by_name("bmn data").experiment_id
    failed, run = client.search_runs([experiment], order_by=["start_time DESC"])
    assert (run.info.status, failed.info.status) == ("FINISHED", "FAILED")
    assert run.data.metrics == {"validation/videos": 3.0}
    assert run.data.tags["data.source"] == "synthetic"
    assert [entry.dataset.digest for entry in run.inputs.dataset_inputs] == [validation().digest]
    assert [item.path for item in client.list_artifacts(run.info.run_id, "data_report")] == ["data_report/report.html"]
