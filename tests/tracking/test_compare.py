"""Comparing runs."""

import pytest
from mlflow import MlflowClient
from tracking.subsets import validation
from tracking.trainings import trained

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
    assert "validation data" not in table  # the same in all
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


def test_validation_data_can_differ_and_each_has_its_champion(tmp_path):
    runs = [trained(tmp_path / f"{number}.json", 50, on=str(number)) for number in range(2)]
    rows = compare.table(compare.choose(runs, "bmn"))
    assert rows["validation data"].tolist() == [validation(str(number)).digest for number in range(2)]
    assert rows["run"].str.endswith(" (champion)").all()


def test_curves_are_those_of_the_runs(tmp_path):
    trained(tmp_path / "run.json", 50)
    figure = compare.draw(compare.choose([], "bmn"))
    loss, auc, recall = figure.axes
    assert loss.lines[0].get_xydata().tolist() == [[0, 1.0], [1, 0.5], [2, pytest.approx(1 / 3)]]
    assert auc.lines[0].get_ydata().tolist() == [45, 50, 49]
    assert recall.lines[0].get_xydata().tolist() == [[1, 10], [2, 20], [3, 30]]
