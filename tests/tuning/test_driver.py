"""What a driver does with trials, told by a study and by MLflow."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from optuna.trial import TrialState
from servers import Server
from shell import wait_for
from tuning.cheap import make_params, start
from tuning.sweeps import empty_store as empty_store
from tuning.sweeps import options
from tuning.sweeps import project as project

from bmn.base.errors import BmnError
from bmn.tracking.store import connect
from bmn.tuning.figures import page
from bmn.tuning.study import describe, status

pytestmark = pytest.mark.xdist_group("driver")


def test_trials_are_searched_filed_and_confirmed(project, capsys):
    params = make_params(trials=5)
    study = project.tune(params)
    project.check(params)
    first = study.trials[0]
    assert first.params == {"train.learning_rate": 1e-3, "train.weight_decay": 1e-4}  # the current ones come first
    assert first.state == TrialState.COMPLETE
    assert first.values == [pytest.approx(70.999)]
    assert first.user_attrs["proposals"] == {}
    assert sorted(first.intermediate_values) == [1, 2, 3, 4]
    assert {trial.state for trial in study.trials[1:]} == {TrialState.COMPLETE, TrialState.PRUNED}
    [parent], runs = project.runs()
    assert parent.data.params["train.learning_rate"] == '{"low": 1e-05, "high": 0.1, "log": true}'
    assert runs[0].info.run_name.startswith("bmn 0: learning_rate=0.001 weight_decay=0.0001")
    assert runs[0].data.params["train.learning_rate"] == "0.001"
    assert not {"data.source", "execution.devices", "proposals.alpha"} & runs[0].data.params.keys()
    assert parent.data.tags["data.source"] == "synthetic"
    assert runs[0].data.metrics["tune/AUC"] == first.values[0]
    pruned = next(trial for trial in study.trials if trial.state == TrialState.PRUNED)
    assert runs[pruned.number].data.tags["optuna.state"] == "PRUNED"
    printed = capsys.readouterr().out
    assert "trial 0 starts on" in printed
    assert "[5/5] trial " in printed
    assert "current, seed 2 complete  AUC 71.00" in printed
    assert "confirmed with fresh seeds" in page(study)
    assert status(study).splitlines()[0].startswith("bmn: ")
    files = {item.path for item in project.client().list_artifacts(parent.info.run_id, "figures")}
    assert "figures/sweep.html" in files


def test_halving_lets_the_best_half_go_on(project):
    study = project.tune(make_params(trials=9))
    for trial in study.trials:
        if trial.state == TrialState.PRUNED:
            epoch = trial.last_step
            assert epoch in (1, 2)
            others = [other.intermediate_values[epoch] for other in study.trials[: trial.number]
                      if epoch in other.intermediate_values]  # fmt: skip
            assert sum(value > trial.intermediate_values[epoch] for value in others) >= (len(others) + 1) // 2 - 1
    assert sum(trial.state == TrialState.PRUNED for trial in study.trials) >= 4


def test_with_two_objectives_no_trial_is_stopped_early(project):
    study = project.tune(make_params(trials=5, cost=True))
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert study.trials[0].values == pytest.approx([72.999 - 2, 0.1])


def test_a_server_that_goes_away_is_told_and_the_same_command_resumes(project, tmp_path, monkeypatch, capsys):
    connect("bmn")  # so that the store follows its project
    options(project, most=1)
    params = make_params(trials=4)
    server = Server(f"sqlite:///{tmp_path}/mlruns/mlflow.db", tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    def stop():
        wait_for(lambda: project.finished(params) == 1 and project.calls() == 2, server.process)
        server.stop()
        options(project)

    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(stop)
        with pytest.raises(BmnError, match=r"MLflow does not respond \(.*; the same command resumes"):
            project.tune(params)
        stopped.result()
    server.start()
    project.tune(params)
    server.stop()
    project.check(params)
    [link] = [line for line in capsys.readouterr().out.splitlines() if "View run" in line]
    assert "View run sweep bmn at: " in link  # those of the trials would bury their results


def test_the_same_trials_are_drawn_in_a_sweep_that_was_interrupted(project, tmp_path, monkeypatch):
    parts = [project.tune(make_params(trials=trials)) for trials in (3, 14)][-1]
    (tmp_path / "whole").mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    params = make_params(trials=14)
    project.tune(params)
    whole = type(project)(tmp_path / "whole", project.data).study(params)
    assert [trial.params for trial in parts.trials] == [trial.params for trial in whole.trials]
    assert [trial.values for trial in parts.trials] == [trial.values for trial in whole.trials]


def test_a_failing_trial_tells_why_and_the_sweep_goes_on(project):
    options(project, fails_above=0.1)
    params = make_params(trials=6)
    study = project.tune(params)
    project.check(params)
    failed = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    assert [trial.params["train.weight_decay"] > 0.1 for trial in study.trials] == [
        trial in failed for trial in study.trials
    ]
    assert failed
    assert describe(failed[0]).startswith(f"trial {failed[0].number} fail  a bolt is loose  ")
    assert project.runs()[1][failed[0].number].data.tags["error"] == "a bolt is loose"


def test_when_every_trial_fails_it_stops_with_the_first_error_and_goes_on_when_it_is_mended(project):
    options(project, fails_above=-1)
    params = make_params(trials=6)
    with pytest.raises(BmnError, match="every trial fails; the first error: a bolt is loose"):
        project.tune(params)
    assert [trial.state.name for trial in project.trials(params)] == ["FAIL"] * 3
    assert project.runs()[0][0].info.status == "FAILED"
    options(project)
    project.tune(params)
    project.check(params)
    assert [trial.state.name for trial in project.trials(params)][:4] == ["FAIL"] * 3 + ["COMPLETE"]


@pytest.mark.parametrize(("deaths", "state"), [(1, "COMPLETE"), (2, "FAIL")])
def test_a_trial_whose_job_dies_is_tried_once_more(project, deaths, state, capsys):
    options(project, deaths=deaths)
    params = make_params(trials=3)
    study = project.tune(params)
    project.check(params)
    assert study.trials[0].state.name == state
    printed = capsys.readouterr().out
    assert "trial 0: its process was killed by SIGKILL (perhaps out of memory); retrying" in printed
    assert project.calls() == 3 + 1 + 4  # each once, one twice, four confirm


def test_when_the_time_is_up_no_trial_begins(project, capsys):
    params = make_params(trials=50)
    assert project.tune(params, timeout=0.0).trials == []
    assert "time is up; the same command resumes" in capsys.readouterr().out
    assert project.runs()[0][0].info.status == "KILLED"


def test_a_driver_that_is_killed_with_two_jobs_at_work_ends_right(project):
    params = make_params(jobs=2, trials=8)
    for begun in (4, 8):  # the second driver's first two take up what the first one left at work
        options(project, most=begun - 2)
        process = start(project.path, params, project.data)
        wait_for(lambda: project.finished(params) == begun / 2 and project.calls() == begun, process)  # noqa: B023
        process.kill()
        process.wait()
    before = {trial.number: trial.params for trial in project.trials(params) if trial.params}
    options(project)
    assert start(project.path, params, project.data).wait() == 0
    project.check(params)
    after = {trial.number: trial.params for trial in project.trials(params)}
    assert before.items() <= after.items()  # what was running was taken up with its parameters


def test_one_that_is_stopped_says_so_and_goes_on(project):
    options(project, most=0)
    params = make_params(jobs=2, trials=2)
    process = start(project.path, params, project.data)
    wait_for(lambda: sum(bool(trial.params) for trial in project.trials(params)) == 2, process)
    process.terminate()
    assert process.wait() != 0
    [parent], runs = project.runs()
    assert {run.info.status for run in [parent, *runs.values()]} == {"KILLED"}
    options(project)
    project.tune(params)
    project.check(params)


def test_a_study_has_one_driver(project):
    options(project, most=0)
    params = make_params(trials=2)
    process = start(project.path, params, project.data)
    wait_for(lambda: project.trials(params), process)
    with pytest.raises(BmnError, match=r"tune.study is 'bmn'; another bmn tune is running it"):
        project.tune(params)
    process.kill()
    process.wait()


def test_after_a_power_cut_in_the_middle_of_a_line_it_goes_on(project):
    project.tune(make_params(trials=3))
    with open(project.path / ".cache/tune/journal.log", "ab") as journal:
        journal.write(b'{"op_code":4,"worker_id":"x","trial_')
    project.tune(make_params(trials=6))
    project.check(make_params(trials=6))


def test_a_project_that_is_moved_keeps_its_run(project, tmp_path, monkeypatch):
    assert start(project.path, make_params(trials=2), project.data).wait() == 0
    [before], _ = project.runs()
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    monkeypatch.chdir(moved)
    there = type(project)(moved, project.data)
    assert start(moved, make_params(trials=4), project.data).wait() == 0
    there.check(make_params(trials=4))
    assert there.runs()[0][0].info.run_id == before.info.run_id


def test_the_engine_does_not_change_a_sweep(project, tmp_path_factory, ray_cluster):
    """On Ray the trials are the same; a node is lost and the driver killed on the way."""
    here = make_params(trials=8)
    local = project.tune(here)
    other = tmp_path_factory.mktemp("ray")
    there = type(project)(other, project.data)
    options(there, most=2)
    params = make_params(engine="ray", address=ray_cluster.address, trials=8)
    process = start(other, params, project.data)
    wait_for(lambda: there.finished(params) == 2 and there.calls() == 3, process)
    process.kill()
    process.wait()
    options(there, most=5)
    process = start(other, params, project.data)
    wait_for(lambda: there.finished(params) == 4 and there.calls() == 6, process)
    ray_cluster.remove_node(ray_cluster.other, allow_graceful=False)
    options(there)
    assert process.wait() == 0
    there.check(params)
    assert [(trial.params, trial.values) for trial in there.trials(params)] == [
        (trial.params, trial.values) for trial in local.trials
    ]
