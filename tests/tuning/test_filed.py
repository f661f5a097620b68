"""What a sweep leaves in MLflow."""

import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState
from tuning.cheap import make_params, make_sweep, search_plan, starter

from bmn.tracking import trials
from bmn.tuning.ledger import MlflowLedger, file_figures, parent_run
from bmn.tuning.plan import Slot, fill
from bmn.tuning.worker import work

pytestmark = pytest.mark.xdist_group("ledger")


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        yield


def filed(tmp_path, plan, fail=False, **tune):
    """A sweep of cheap trials, its parent run, and its children in the order of their trials."""
    params = make_params(**tune)
    sweep = make_sweep(tmp_path, params, plan)
    fill(sweep.shared, plan)
    parent = parent_run(sweep.shared.study, params)
    work(sweep, starter(fail=fail), MlflowLedger("bmn", parent, params.tune.study))
    return sweep, parent, children(parent)


def children(parent):
    client = MlflowClient()
    experiment = client.get_run(parent).info.experiment_id
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    return sorted(runs, key=lambda run: int(run.data.tags["optuna.trial"]))


def test_a_child_a_trial_with_its_true_end(tmp_path):
    plan = {str(n): Slot({"train.learning_rate": rate}) for n, rate in enumerate((1e-2, 1e-5, 1e-4))}
    sweep, parent, runs = filed(tmp_path, plan)
    assert [trial.state.name for trial in sweep.shared.trials()] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert [run.info.status for run in runs] == ["FINISHED", "KILLED", "KILLED"]
    assert [run.data.tags["optuna.state"] for run in runs] == ["COMPLETE", "PRUNED", "PRUNED"]
    first = runs[0]
    assert first.info.run_name.startswith("bmn 0: learning_rate=0.01 weight_decay=")
    assert first.data.params["train.learning_rate"] == "0.01"
    assert first.data.params["model.tscale"] == "100"
    assert first.data.metrics["tune/AUC"] == sweep.shared.trials()[0].values[0]
    assert first.data.tags["proposals.alpha"] == "0.3"
    curve = MlflowClient().get_metric_history(first.info.run_id, "val/AUC")
    assert [point.step for point in curve] == [1, 2, 3, 4]  # each epoch once, though told rung by rung
    trials.end(parent, "FINISHED")
    assert MlflowClient().get_run(parent).info.status == "FINISHED"


def test_a_failed_trial_is_a_failed_run_that_tells_why(tmp_path):
    _, _, [run] = filed(tmp_path, search_plan(1), fail=True)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "a bolt is loose"


def test_the_same_study_goes_on_in_the_same_run(tmp_path):
    params = make_params()
    sweep = make_sweep(tmp_path, params, {})
    parent = parent_run(sweep.shared.study, params)
    trials.end(parent, "KILLED")
    again = make_sweep(tmp_path, params, {})
    assert parent_run(again.shared.study, params) == parent
    run = MlflowClient().get_run(parent)
    assert run.info.status == "RUNNING"
    assert run.data.params["train.learning_rate"] == '{"low": 1e-05, "high": 0.1, "log": true}'


def test_runs_that_a_killed_worker_left_open_are_ended(tmp_path):
    params = make_params()
    sweep = make_sweep(tmp_path, params, search_plan(2))
    fill(sweep.shared, sweep.plan)
    parent = parent_run(sweep.shared.study, params)

    class Killed(MlflowLedger):
        def end(self, run, state, figures, notes):
            """Is killed before it gets to it."""

    work(sweep, starter(), Killed("bmn", parent, "bmn"))
    assert [run.info.status for run in children(parent)] == ["RUNNING", "RUNNING"]
    MlflowLedger("bmn", parent, "bmn").settle(sweep.shared.trials())
    ends = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED"}
    assert [run.info.status for run in children(parent)] == [ends[trial.state] for trial in sweep.shared.trials()]


@pytest.mark.parametrize("cost", [False, True])
def test_figures_are_filed_as_pictures_and_as_a_page_that_needs_no_network(tmp_path, cost):
    sweep, parent, _ = filed(tmp_path, search_plan(14), cost=cost)
    file_figures(parent, sweep.shared.study)
    client = MlflowClient()
    found = {item.path.removeprefix("figures/"): item.file_size for item in client.list_artifacts(parent, "figures")}
    pictures = {"optimization_history", "parallel_coordinate", "slice", "param_importances"} | (
        {"pareto_front"} if cost else {"intermediate_values"}
    )
    assert found.keys() == {f"{name}.png" for name in pictures} | {"sweep.html"}
    assert all(found[f"{name}.png"] > 5000 for name in pictures)
    file = client.download_artifacts(parent, "figures/sweep.html", str(tmp_path))
    with open(file, encoding="utf-8") as html:
        text = html.read()
    assert text.count("Plotly.newPlot(") >= len(pictures)
    assert "<script src=" not in text


def test_without_a_complete_trial_there_is_nothing_to_draw_and_no_error(tmp_path):
    sweep, parent, _ = filed(tmp_path, search_plan(1), fail=True)
    file_figures(parent, sweep.shared.study)
    assert [item.path for item in MlflowClient().list_artifacts(parent, "figures")] == []
