"""Download and convert as processes, on data that is a person's own."""

import csv
import io
import re
import tarfile

import numpy as np
import pytest
from acquire.servers import Site, serve
from mlflow import MlflowClient
from pipeline.project import SMALL, Project, make_project

from bmn.base.params import load_params
from bmn.data.store import open_store

pytestmark = pytest.mark.xdist_group("data_stages")
CHANNELS = 64


def own_data(project: Project, videos: int = 20) -> None:
    """Features as CSV with 64 channels and of varied lengths, and a CSV of segments."""
    rng = np.random.default_rng(0)
    folder = project.folder / "mine"
    (folder / "features").mkdir(parents=True)
    with open(folder / "segments.csv", "w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["video", "start", "end", "label", "subset", "duration"])
        for number in range(videos):
            length = int(rng.integers(5, 60))
            features = rng.normal(size=(length, CHANNELS))
            np.savetxt(folder / "features" / f"clip{number}.csv", features, delimiter=",", fmt="%.4f")
            subset = "val" if number % 4 == 0 else "train"
            lines.writerow([f"clip{number}", length / 4, length / 2, "wave", subset, length])


@pytest.fixture
def project(tmp_path) -> Project:
    project = make_project(tmp_path / "project")
    own_data(project)
    return project


def small(project: Project) -> None:
    sizes = {key: value for key, value in SMALL.items() if not key.endswith(("feat_dim", "batch_size"))}
    project.run("bmn", "set", *(f"{key}={value}" for key, value in sizes.items()))


def stages(project: Project, *names: str) -> None:
    for name in names:
        project.run("python", f"stages/{name}.py")


def test_own_data_are_used_where_they_are_and_changes_are_seen(project):
    use = ("use", "PRESET=local", "FEATURES=mine/features", "ANNOTATIONS=mine/segments.csv")
    assert "feat_dim: 64" in project.run("make", *use).stdout
    params = load_params(project.folder / "params.yaml")
    assert (params.model.feat_dim, params.train.batch_size) == (CHANNELS, 15)
    small(project)
    project.run("dvc", "repro", "convert")
    assert sorted(path.name for path in (project.folder / "data/raw").iterdir()) == ["annotations.txt", "source.json"]
    training = open_store(project.folder / "data/processed", "training")
    assert training.array.shape == (15, CHANNELS, SMALL["model.tscale"])
    assert "didn't change" in project.run("dvc", "repro", "convert").stdout

    np.savetxt(project.folder / "mine/features/clip1.csv", np.ones((9, CHANNELS)), delimiter=",")
    project.run("make", *use)
    small(project)
    project.run("dvc", "repro", "convert")
    row = [window.video for window in training.windows].index("clip1")
    assert (open_store(project.folder / "data/processed", "training").read([row]) == 1).all()


def test_a_download_with_everything_else_as_in_the_preset(project):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(project.folder / "mine/features", "bmn_feat")
    annotations = (project.folder / "mine/segments.csv").read_bytes()
    with serve(Site(packed.getvalue(), faults=[503, "reset"])) as features, serve(Site(annotations)) as texts:
        project.run("make", "use", "PRESET=activitynet")
        project.set(data__features=features.url, data__annotations=texts.url, data__ground_truth="null")
        project.set(model__feat_dim=CHANNELS)
        stages(project, "inputs", "download", "convert")
    assert len(open_store(project.folder / "data/processed", "training")) == 15


def test_the_data_report_is_a_page_and_a_run_of_its_own(project):
    project.run("make", "use", "PRESET=local", "FEATURES=mine/features", "ANNOTATIONS=mine/segments.csv")
    small(project)
    done = project.run("make", "data-report")
    assert re.search(r"the 16 x 12 grid allows an AR of at most \d+\.\d%", done.stdout)
    folder = project.folder / "outputs/data_report"
    assert "<th>training</th>" in (folder / "report.html").read_text()
    client = MlflowClient(f"sqlite:///{project.folder}/mlruns/mlflow.db")
    [run] = client.search_runs([client.get_experiment_by_name("bmn data").experiment_id])
    assert run.data.metrics["training/videos"] == 15
    assert 0 < run.data.metrics["highest_AR"] <= 100
    filed = {file.path for file in client.list_artifacts(run.info.run_id, "data_report")}
    assert filed == {f"data_report/{path.name}" for path in folder.iterdir()}
    assert {"data_report/report.html", "data_report/lengths.png"} <= filed


def spoil_annotations(folder):
    (folder / "segments.csv").write_text("video,start,end,label,subset,duration\nclip0,9,2,wave,train,10\n")


def spoil_feature(folder):
    np.savetxt(folder / "features/clip3.csv", np.full((4, CHANNELS), np.nan), delimiter=",")


def mix_channels(folder):
    np.savetxt(folder / "features/clip3.csv", np.ones((4, CHANNELS + 4)), delimiter=",")


def lose_feature(folder):
    (folder / "features/clip3.csv").unlink()


def add_pickle(folder):
    (folder / "features/clip99.pkl").write_bytes(b"")


def climb(folder):
    text = (folder / "segments.csv").read_text()
    (folder / "segments.csv").write_text(text + "../../x,1,2,wave,train,10\n")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_annotations, "the end must be after the start"),
        (spoil_feature, r"clip3\.csv: holds nan"),
        (mix_channels, r"clip3\.csv: has the shape \(4, 68\)"),
        (lose_feature, "video clip3: features is missing"),
        (add_pickle, "could run code"),
        (climb, "must be a plain file name"),
    ],
)
def test_bad_data_end_in_one_sentence(project, spoil, sentence):
    project.run("make", "use", "PRESET=local", "FEATURES=mine/features", "ANNOTATIONS=mine/segments.csv")
    spoil(project.folder / "mine")
    for stage in ("inputs", "download", "convert"):
        done = project.run("python", f"stages/{stage}.py", check=False)
        if done.returncode:
            break
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert re.search(sentence, line)
    assert "Traceback" not in done.stderr
    assert not (project.folder / "data/processed").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["FEATURES=nowhere", "ANNOTATIONS=mine/segments.csv"], "nowhere: no such file or folder"),
        (["FEATURES=mine/features"], "needs --annotations, and either --features or --videos"),
        (["FEATURES=mine/segments.csv", "ANNOTATIONS=mine/segments.csv"], "not a folder"),
    ],
)
def test_a_wrong_use_says_so_and_changes_nothing(project, words, sentence):
    before = (project.folder / "params.yaml").read_text()
    done = project.run("make", "use", "PRESET=local", *words, check=False)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert (project.folder / "params.yaml").read_text() == before
