"""Comparing runs."""

import json
import re

import pytest
from mlflow import MlflowClient
from tracking.subsets import validation
from tracking.trainings import trained

from bmn import tracking
from bmn.base.errors import BmnError
from bmn.cli.compare import main as command
from bmn.tracking import compare

pytestmark = [pytest.mark.xdist_group("tracking"), pytest.mark.usefixtures("project")]


def test_runs_side_by_side(capsys, tmp_path):
    champion = None
    (tmp_path / "params.yaml").write_text("data:\n  source: synthetic\n")
    for number in range(12):
        run_id = trained(
            tmp_path / f"{number}.json", 70 - number,
            tracking={"run_name": f"<run> {number}"}, proposals={"alpha": 0.7 if number == 3 else 0.4},
            data={"source": "synthetic", "strict": number != 4},
        )  # fmt: skip
        champion = champion or run_id
    experiment = MlflowClient().get_experiment_by_name("bmn").experiment_id
    trial = MlflowClient().create_run(experiment, tags={"optuna.study": "bmn"}, run_name="a trial")
    MlflowClient().set_terminated(trial.info.run_id)
    command([], standalone_mode=False)
    table = capsys.readouterr().out
    assert table.count("FINISHED") == 11  # the last ten and the champion, which is the first
    assert "<run> 0 (champion)" in table
    assert "<run> 1 " not in table
    assert "a trial" not in table  # sweeps have their own table
    assert {"train.seed", "proposals.alpha", "data.strict"} <= set(table.split())
    assert "on synthetic validation:" in table
    page = (tmp_path / "outputs/compare/index.html").read_text()
    assert "&lt;run&gt; 0 (champion)" in page
    assert "<run>" not in page
    assert f"/runs/{champion}" in page
    assert "http" not in page.replace("http://localhost:5000", "")  # the page loads nothing
    assert page.count('class="marked">70.00<') == 1  # the best AUC
    assert (tmp_path / "outputs/compare/curves.png").read_bytes().startswith(b"\x89PNG")

    command([champion, "<run> 5", "a trial"], standalone_mode=False)
    assert capsys.readouterr().out.count("FINISHED") == 3
    with pytest.raises(BmnError, match="RUNS names 'nobody'"):
        command(["nobody"], standalone_mode=False)


def test_only_runs_on_the_same_data_are_compared_and_a_difference_is_judged(tmp_path, capsys):
    (tmp_path / "params.yaml").write_text("data:\n  source: synthetic\n")
    given = ((60.0, "data"), (50.0, "data"), (59.9, "data"), (70.0, "other"))
    runs = [trained(tmp_path / f"{auc}.json", auc, on) for auc, on in given]
    other, own = compare.grouped(compare.choose([], "bmn"))  # the newest first
    assert [group.title for group in (own, other)] == [
        f"synthetic validation ({validation(on).digest})" for on in ("data", "other")
    ]
    assert own.reference == runs[0][:8]
    judged = dict(zip(own.rows["id"], own.rows["difference in AUC"], strict=True))
    assert judged[runs[0][:8]] == "reference"
    assert re.fullmatch(r"-10\.00 \[-1\d\.\d\d, -9\.\d\d\] worse", judged[runs[1][:8]])
    assert re.fullmatch(r"-0\.10 \[-0\.\d\d, \+0\.\d\d\] within chance", judged[runs[2][:8]])
    assert other.rows["difference in AUC"].tolist() == ["reference"]
    assert all(group.rows["run"].str.endswith(" (champion)").sum() == 1 for group in (own, other))
    command([run[:8] for run in runs[:2]] + ["--json"], standalone_mode=False)
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(row["data"], row["AUC"]) for row in rows] == [
        ("synthetic validation", 60.0),
        ("synthetic validation", 50.0),
    ]
    low, high = map(float, rows[0]["AUC 95 %"].split(" – "))
    assert 50 < low < 60 < high < 70


def test_checksums_and_paths_are_not_compared(tmp_path):
    for number, auc in enumerate((60, 60)):
        own = {"features": f"place{number}", "annotations": "a.json", "features_sha256": f"{number}" * 64}
        trained(tmp_path / f"{number}.json", auc, data={"source": "local", **own}, train={"seed": number})
    assert [list(found) for found in compare.differing(compare.choose([], "bmn"))] == [["train.seed"]] * 2


def test_what_only_some_runs_have_tells_no_runs_apart(tmp_path):
    one, _ = (trained(tmp_path / f"{number}.json", 60.0 + number) for number in range(2))
    MlflowClient().set_tag(one, "export.tolerance", "1e-05")  # as an evaluation of its own is never exported
    assert [list(found) for found in compare.differing(compare.choose([], "bmn"))] == [["train.seed"]] * 2


def test_curves_are_those_of_the_runs(tmp_path, params):
    trained(tmp_path / "run.json", 50)
    figure = compare.draw(compare.choose([], "bmn"))
    loss, auc, recall = figure.axes
    assert loss.lines[0].get_xydata().tolist() == [[0, 1.0], [1, 0.5], [2, pytest.approx(1 / 3)]]
    assert auc.lines[0].get_ydata().tolist() == [45, 50, 49]
    assert recall.lines[0].get_xydata().tolist() == [[1, 10], [2, 20], [3, 30]]
    assert auc.lines[0].get_marker() == ""
    with tracking.training_run(params, tmp_path / "one.json", [validation()]) as run:
        run.metrics({"val/AUC": 45.0}, 10)
    _, auc, _ = compare.draw(compare.choose([run.run_id], "bmn")).axes
    assert auc.lines[0].get_marker() == "o"  # a line through one point is none
