"""The whole pipeline, as a person runs it: DVC, Paddle, MLflow and git for real, on a small copy of the project."""

import json
import re
import shutil
from pathlib import Path

import mlflow
import numpy as np
import paddle
import pytest
from mlflow import MlflowClient
from pipeline.project import Project, make_project

from bmn.base.params import load_params
from bmn.data.subset import open_subset
from bmn.metrics import proposal_recall
from bmn.model.weights import read_weights
from bmn.predict.outputs import rounded
from bmn.predict.predictor import Predictor

pytestmark = pytest.mark.xdist_group("pipeline")
STAGES = ["download", "convert", "train", "evaluate", "export"]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    project = make_project(tmp_path_factory.mktemp("pipeline") / "project")
    project.run("dvc", "repro")
    project.run("git", "add", "dvc.lock")
    project.run("git", "commit", "--quiet", "--message", "first results")
    return project


def ran(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def metrics(project, stage):
    return json.loads((project.folder / "outputs" / stage / "metrics.json").read_text())


def runs(project):
    client = MlflowClient(f"sqlite:///{project.folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("bmn")
    return client, client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])


def test_the_figures_are_those_of_the_proposals(project):
    ground_truth = json.loads((project.folder / "data/processed/ground_truth.json").read_text())["database"]
    proposals = json.loads((project.folder / "outputs/evaluate/proposals.json").read_text())["results"]
    truth = {
        video: [annotation["segment"] for annotation in entry["annotations"]]
        for video, entry in ground_truth.items()
        if entry["subset"] == "validation"
    }
    assert proposals.keys() == truth.keys()
    rows = {video: [(*p["segment"], p["score"]) for p in found] for video, found in proposals.items()}
    found = metrics(project, "evaluate")
    assert 0 < found.pop("chance_AUC") < 100
    detection = {name: found.pop(name) for name in list(found) if name.startswith("mAP")}
    assert detection.keys() >= {"mAP", "mAP@0.3-0.7", "mAP@0.5"}
    assert found == pytest.approx(proposal_recall(truth, rows).headline())


def test_the_exported_model_gives_the_labels_that_were_evaluated(project):
    subset = open_subset(project.folder / "data/processed", "validation")
    window = subset.store.windows[0]
    predictor = Predictor(project.folder / "outputs/export")
    written = json.loads((project.folder / "outputs/evaluate/detections.json").read_text())["results"][window.video]
    found = predictor.detect(np.array(subset.store.array[0].T), window.end)
    assert [each["label"] for each in found] == [each["label"] for each in written]
    np.testing.assert_allclose([each["score"] for each in found], [each["score"] for each in written], rtol=1e-3)
    manifest = json.loads((project.folder / "outputs/export/manifest.json").read_text())
    assert manifest["classifier"]["file"] == "classifier.npz"
    assert {each["label"] for each in found} <= set(manifest["classifier"]["classes"])
    report = (project.folder / "outputs/evaluate/report.html").read_text()
    assert "Classes, worst first" in report


def test_validation_while_training_gives_the_figures_of_the_evaluation(project):
    validated = metrics(project, "train")
    for name in ("AR@1", "AR@5", "AR@10", "AR@100", "AUC"):
        assert validated[f"val/{name}"] == pytest.approx(metrics(project, "evaluate")[name])


@pytest.mark.parametrize("program", ["BMN.pdmodel", "BMN.json"])
def test_the_exported_model_takes_any_batch(project, program):
    if program == "BMN.json" and paddle.__version__ < "3":
        pytest.skip("Paddle 2 writes .pdmodel only")
    predictor = Predictor(project.folder / "outputs/export" / program)
    features = np.random.default_rng(0).normal(size=(3, 8, 16)).astype("float32")
    together = predictor.maps(features)
    assert [array.shape for array in together] == [(3, 2, 12, 16), (3, 16), (3, 16)]
    for one, three in zip(predictor.maps(features[:1]), together, strict=True):
        np.testing.assert_allclose(one[0], three[0], atol=1e-5)


def test_the_run_tells_the_whole_story(project):
    client, [run] = runs(project)
    assert run.info.status == "FINISHED"
    assert run.info.run_name.startswith("embedded ")
    assert run.data.params["model.tscale"] == "16"
    assert run.data.tags["proposals.alpha"] == "0.4"
    assert run.data.tags["git.dirty"] == "false"
    commit = project.run("git", "rev-parse", "HEAD^").stdout.strip()
    assert run.data.tags["git.commit"] == commit
    assert run.data.tags["dvc.data/processed"].endswith(".dir")
    assert {entry.dataset.name for entry in run.inputs.dataset_inputs} == {
        "synthetic training", "synthetic validation",
    }  # fmt: skip
    losses = client.get_metric_history(run.info.run_id, "train/pem_reg_loss")
    assert [point.step for point in losses] == [1, 2, 3, 4, 5, 6]
    for name, value in metrics(project, "evaluate").items():
        assert run.data.metrics[f"evaluate/{name.replace('@', '_')}"] == pytest.approx(value)
    files = {item.path for folder in ("figures", "proposals")
             for item in client.list_artifacts(run.info.run_id, folder)}  # fmt: skip
    assert {"figures/losses.png", "figures/ar_an.png", "figures/timelines.png",
            "figures/maps.png", "proposals/proposals.json"} <= files  # fmt: skip


def test_the_inference_model_in_mlflow_is_the_exported_one(project):
    client, [run] = runs(project)
    mlflow.set_tracking_uri(f"sqlite:///{project.folder}/mlruns/mlflow.db")
    models = {model.name: model for model in client.search_logged_models([run.info.experiment_id])}
    assert models.keys() == {"best", "last", "bmn"}
    model = models["bmn"]
    served = mlflow.pyfunc.load_model(model.model_uri)
    features = np.random.default_rng(0).normal(size=(2, 16, 8)).astype("float32")
    predictor = Predictor(project.folder / "outputs/export")
    given = served.predict(features, params={"durations": [30.0, 60.0]})
    assert [video["proposals"] for video in given] == [
        rounded(predictor.propose(video, duration), duration)
        for video, duration in zip(features, (30.0, 60.0), strict=True)
    ]
    with pytest.raises(mlflow.MlflowException, match=r"this model takes \[video, snippet, channel\] with 8 channels"):
        served.predict(features[:, :, :4])


def test_the_weights_that_are_kept_are_models_with_their_figures(project):
    client, [run] = runs(project)
    models = {model.name: model for model in client.search_logged_models([run.info.experiment_id])}
    best = {metric.key: metric.value for metric in models["best"].metrics}
    assert best["val/AUC"] == pytest.approx(metrics(project, "train")["val/AUC"])
    assert models["best"].source_run_id == run.info.run_id
    mlflow.set_tracking_uri(f"sqlite:///{project.folder}/mlruns/mlflow.db")
    folder = mlflow.artifacts.download_artifacts(models["best"].model_uri)
    logged, written = read_weights(Path(folder) / "best.pdparams"), project.folder / "outputs/train/best.pdparams"
    for name, array in read_weights(written).items():
        np.testing.assert_array_equal(logged[name], array)


def test_the_first_exported_model_is_the_champion(project):
    client, [run] = runs(project)
    digest = open_subset(project.folder / "data/processed", "validation").digest
    champion = client.get_model_version_by_alias("bmn", f"champion-{digest}")
    assert champion.run_id == run.info.run_id
    assert float(champion.tags["val/AUC"]) == pytest.approx(metrics(project, "train")["val/AUC"])


def test_with_nothing_changed_nothing_runs_but_the_look_at_own_files(project):
    (project.folder / "README.md").write_text("another word")
    assert ran(project.run("dvc", "repro").stdout) == ["inputs"]


def test_a_comment_in_params_runs_nothing(project):
    path = project.folder / "params.yaml"
    path.write_text("# a word\n" + path.read_text())
    assert ran(project.run("dvc", "repro").stdout) == ["inputs"]


def test_another_threshold_runs_the_evaluation_only_and_is_a_run_of_its_own(project):
    project.set(proposals__alpha=0.7)
    assert ran(project.run("dvc", "repro").stdout) == ["inputs", "evaluate"]
    _, found = runs(project)
    [run] = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    assert run.data.tags["proposals.alpha"] == "0.7"
    assert run.info.status == "FINISHED"
    assert "proposals.alpha" in project.run("dvc", "params", "diff").stdout
    difference = json.loads(project.run("dvc", "metrics", "diff", "--all", "--json").stdout)
    assert "outputs/evaluate/metrics.json" in difference
    report = project.run("make", "--silent", "report", "REV=HEAD").stdout
    assert re.search(r"^\| params.yaml *\| proposals.alpha *\| 0.4 *\| 0.7 *\|", report, re.MULTILINE)
    assert re.search(r"^\| outputs/evaluate/metrics.json ", report, re.MULTILINE)
    assert len(re.findall(r"^    line \[[\d., ]+\]$", report, re.MULTILINE)) == 2
    assert "The first line is HEAD, the second is here." in report
    project.set(proposals__alpha=0.4)
    assert ran(project.run("dvc", "repro").stdout) == ["inputs"]  # DVC remembers


def test_without_a_change_a_report_says_so(project):
    report = project.run("make", "--silent", "report", "REV=HEAD").stdout
    assert "No metric differs." in report
    assert "No parameter differs." in report


def test_a_report_on_no_revision_is_refused(project):
    done = project.run("bmn", "report", "nowhere", check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: dvc metrics diff --md nowhere: .*'nowhere'.*", done.stderr.splitlines()[-1])


def test_a_clone_pulls_the_results_and_trains_nothing(project, tmp_path):
    project.run("dvc", "remote", "add", "--local", "--default", "--force", "storage", str(tmp_path / "storage"))
    project.run("dvc", "push", "--quiet")
    project.run("git", "clone", "--quiet", str(project.folder), str(tmp_path / "clone"))
    clone = project.at(tmp_path / "clone")
    clone.run("dvc", "remote", "add", "--local", "--default", "storage", str(tmp_path / "storage"))
    clone.run("dvc", "pull", "--quiet")
    done = clone.run("dvc", "repro")
    assert ran(done.stdout) == ["inputs"]
    assert "Stage 'train' didn't change, skipping" in done.stdout
    assert not (clone.folder / "mlruns/mlflow.db").exists()
    features = np.zeros((16, load_params(clone.folder / "params.yaml").model.feat_dim), np.float32)
    np.save(clone.folder / "some.npy", features)
    assert "Inference results of some.npy" in clone.run("bmn", "predict", "some.npy").stdout


def test_plots_are_drawn(project):
    done = project.run("dvc", "plots", "show", "--out", "plots")
    assert (project.folder / "plots" / "index.html").exists(), done.stdout
    shutil.rmtree(project.folder / "plots")


def test_experiments_outside_the_workspace_keep_their_runs(project):
    before = len(runs(project)[1])
    name = "another-seed"
    project.run("dvc", "exp", "run", "--queue", "--name", name, "--set-param", f"train.seed={5 + before}")
    project.run("dvc", "exp", "run", "--run-all")
    client, found = runs(project)
    assert len(found) == before + 1
    assert found[-1].data.tags["dvc.exp"] == name
    assert found[-1].data.params["train.seed"] == str(5 + before)
    assert found[-1].info.status == "FINISHED"
    assert client.list_artifacts(found[-1].info.run_id, "proposals")
    [source, _] = [json.loads(entry.dataset.source)["uri"] for entry in found[-1].inputs.dataset_inputs]
    assert source.startswith(f"file://{project.folder}/data/processed/")
    assert name in project.run("dvc", "exp", "show", "--csv").stdout
