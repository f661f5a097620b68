"""What follows from a change: which stages run again, which unfinished trainings and cached results are used again.

The tables are written by hand; what they are compared with is what DVC says, and what results would be called.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from dvc.repo import Repo
from pipeline.project import ROOT, Project, make_project

from bmn.base.checksums import SETTLED
from bmn.recipes.edits import edit

pytestmark = pytest.mark.xdist_group("what_shapes")

TRAINING = {"training", "cached training"}
ALL = {"download", "convert", "train", "evaluate", "export"}
SWEEP = {"evaluation", "study"}
EVERYTHING = ALL | TRAINING | SWEEP
# A file: the stages that run again, and the results that are called something else. The first pattern counts.
CODE = {
    "src/bmn/__init__.py": set(),
    "src/bmn/acquire/__init__.py": {"download", "convert"},
    "src/bmn/acquire/features.py": {"download", "convert"},
    "src/bmn/acquire/inputs.py": {"download", "convert"},
    "src/bmn/acquire/raw.py": {"download", "convert"},
    "src/bmn/acquire/archives.py": {"download", "convert"},
    "src/bmn/acquire/*.py": {"download"},
    "src/bmn/base/*.py": EVERYTHING,
    "src/bmn/classify/fit.py": {"train", "evaluate"},
    "src/bmn/classify/labels.py": {"train", "evaluate"},
    "src/bmn/classify/results.py": {"evaluate"},
    "src/bmn/classify/subset.py": {"train", "evaluate"},
    "src/bmn/classify/video_scores.py": {"evaluate"},
    "src/bmn/classify/*.py": {"train", "evaluate", "export"},
    "src/bmn/cli/*.py": set(),
    "src/bmn/conversion/*.py": {"convert"},
    "src/bmn/data/__init__.py": EVERYTHING - {"download"},
    "src/bmn/data/store.py": EVERYTHING - {"download"},
    "src/bmn/data/videos.py": EVERYTHING - {"download"},
    "src/bmn/data/windows.py": EVERYTHING - {"download"},
    "src/bmn/data/*.py": EVERYTHING - {"download", "convert"},
    "src/bmn/execution/*.py": set(),
    "src/bmn/export/*.py": {"export"},
    "src/bmn/launch/*.py": set(),
    "src/bmn/loss/*.py": {"train"} | TRAINING | SWEEP,
    "src/bmn/metrics/__init__.py": {"train", "evaluate"} | TRAINING | SWEEP,
    "src/bmn/metrics/recall.py": {"train", "evaluate"} | TRAINING | SWEEP,
    "src/bmn/metrics/tiou.py": {"train", "evaluate"} | TRAINING | SWEEP,
    "src/bmn/metrics/*.py": {"evaluate"},
    "src/bmn/model/__init__.py": {"download", "train", "evaluate", "export"} | TRAINING | SWEEP,
    "src/bmn/model/paddle.py": {"download", "train", "evaluate", "export"} | TRAINING | SWEEP,
    "src/bmn/model/device.py": {"download", "train", "evaluate", "export"} | TRAINING | SWEEP,
    "src/bmn/model/*.py": {"train", "evaluate", "export"} | TRAINING | SWEEP,
    "src/bmn/runtimes/backbone.py": {"download"},
    "src/bmn/runtimes/*.py": {"download", "export"},
    "src/bmn/predict/*.py": set(),
    "src/bmn/proposals/*.py": {"train", "evaluate"} | TRAINING | SWEEP,
    "src/bmn/provenance.py": {"download", "convert", "train"} | TRAINING | SWEEP,
    "src/bmn/recipes/*.py": set(),
    "src/bmn/report/__init__.py": {"evaluate"},
    "src/bmn/report/base.html": {"evaluate"},
    "src/bmn/report/evaluation.*": {"evaluate"},
    "src/bmn/report/figures.py": {"evaluate"},
    "src/bmn/report/labels.py": {"evaluate"},
    "src/bmn/report/results.py": {"evaluate"},
    "src/bmn/report/*": set(),
    "src/bmn/tracking/*.py": set(),
    "src/bmn/training/*.py": {"train"} | TRAINING | SWEEP,
    "src/bmn/training_jobs/folders.py": set(),
    "src/bmn/training_jobs/garbage.py": set(),
    "src/bmn/training_jobs/overfit.py": set(),
    "src/bmn/training_jobs/seed.py": set(),
    "src/bmn/training_jobs/trainings.py": set(),
    "src/bmn/training_jobs/*.py": SWEEP,
    "src/bmn/tuning/__init__.py": SWEEP,
    "src/bmn/tuning/proposal_search.py": SWEEP,
    "src/bmn/tuning/space.py": SWEEP,
    "src/bmn/tuning/job.py": SWEEP,
    "src/bmn/tuning/*.py": set(),
    "src/bmn/video/clips.py": set(),
    "src/bmn/video/cutting.py": set(),
    "src/bmn/video/*.py": {"download"},
    "stages/download.py": {"download"},
    "stages/convert.py": {"convert"},
    "stages/train_process.py": {"train"},
    "stages/evaluate.py": {"evaluate"},
    "stages/export.py": {"export"},
    "stages/*.py": set(),
}
# A parameter: another value, and what follows.
PARAMETERS = {
    "data.source": ("activitynet", {"download"}),
    "data.features": (None, set()),  # where own data lie: see the tests below
    "data.annotations": (None, set()),
    "data.subsets": (None, set()),
    "data.ground_truth": (None, set()),
    "data.features_sha256": ("0" * 64, {"download"}),
    "data.annotations_sha256": ("0" * 64, {"download"}),
    "data.strict": (False, {"convert"}),
    "data.length": ("window", {"convert", "export"}),
    "data.overlap": (0.25, {"convert", "export"}),
    "data.inside": (0.9, {"convert"}),
    "data.snippet_seconds": (0.5, {"convert"}),
    "data.synthetic.*": (9, {"download"}),
    "download.*": (50, set()),
    "extract.backbone": ("resnet18", {"download"}),
    "extract.output": ("features", {"download"}),
    "extract.mean": ([0.0, 0.0, 0.0], {"download"}),
    "extract.std": ([1.0, 1.0, 1.0], {"download"}),
    "extract.motion": (True, {"download"}),
    "extract.*": (17, {"download"}),
    "model.feat_dim": (12, {"download", "convert", "train", "evaluate", "export"} | TRAINING | SWEEP),
    "model.tscale": (20, {"download", "convert", "train", "evaluate", "export"} | TRAINING | SWEEP),
    "model.num_sample": (5, {"train", "evaluate", "export"} | TRAINING | {"evaluation"}),
    "model.num_sample_perbin": (3, {"train", "evaluate", "export"} | TRAINING | {"evaluation"}),
    "model.dscale": (10, {"train", "evaluate", "export"} | TRAINING | SWEEP),
    "model.prop_boundary_ratio": (0.4, {"train", "evaluate", "export"} | TRAINING | {"evaluation"}),
    "classify.enabled": (False, {"train"}),
    "classify.penalty": (3.0, {"train"}),
    "train.init_from": (None, set()),
    "train.learning_rate": (0.002, {"train"} | TRAINING | {"evaluation"}),
    "train.loss_weights.tem": (2.0, {"train"} | TRAINING | {"evaluation"}),
    "train.loss_weights.pem_reg": (5.0, {"train"} | TRAINING | {"evaluation"}),
    "train.loss_weights.pem_cls": (2.0, {"train"} | TRAINING | SWEEP),
    "train.schedule": ("cosine", {"train"} | TRAINING | SWEEP),
    "train.precision": ("bf16", {"train"} | TRAINING | SWEEP),
    "train.base_weight_decay": (0.5, {"train"} | TRAINING | SWEEP),
    "train.scale_invariant": (True, {"train"} | TRAINING | SWEEP),
    "train.clip_norm": (1.0, {"train"} | TRAINING | SWEEP),
    "train.ema_decay": (0.9, {"train"} | TRAINING | SWEEP),
    "train.early_stopping": (3, {"train"} | TRAINING | SWEEP),
    "train.decay_factor": (0.5, {"train"} | TRAINING | SWEEP),
    "train.weight_decay": (0.5, {"train"} | TRAINING | SWEEP),
    "train.*": (3, {"train"} | TRAINING | SWEEP),
    "proposals.max_proposals": (50, {"evaluate", *SWEEP}),
    "proposals.alpha": (0.7, {"evaluate", "evaluation"}),
    "proposals.*": (0.7, {"evaluate"} | SWEEP),
    "evaluate.subset": ("training", {"evaluate", "export"}),
    "evaluate.batch_size": (5, {"evaluate"}),
    "evaluate.classifier": (None, set()),
    "execution.devices": ("cpu:2", set()),
    "execution.engine": ("ray", set()),
    "execution.address": ("auto", set()),
    "execution.*": (2, set()),
    "export.check_videos": (2, {"export"}),
    "export.tolerance": (0.5, {"export"}),
    "export.lower_precision": ({"int8": 0.1}, {"export"}),
    "tracking.log_every": (7, set()),
    "tracking.*": ("other", set()),
    "tune.evaluations": (33, SWEEP),
    "tune.*": (None, set()),
}


SPACE = """\
  space:
    model.num_sample: {choices: [2, 4, 5]}
    model.num_sample_perbin: {choices: [2, 3]}
    model.prop_boundary_ratio: {low: 0.2, high: 1.0}
    train.learning_rate: {low: 2.0e-4, high: 1.0e-2, log: true}
    train.loss_weights.tem: {low: 0.3, high: 3.0, log: true}
    train.loss_weights.pem_reg: {low: 3.0, high: 30.0, log: true}
    proposals.alpha: {low: 0.05, high: 1.0, log: true}
"""


def rule(table, name):
    return next(value for pattern, value in table.items() if fnmatch(name, pattern))


class Names:
    """The names of a project's results, as a process of its own with the project's code gives them."""

    def __init__(self, project: Project) -> None:
        self.job = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/pipeline/names.py")], cwd=project.folder, env=project.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def now(self) -> dict[str, str]:
        """All of them; one entry, ``error``, where there are none."""
        self.job.stdin.write("\n")
        self.job.stdin.flush()
        return json.loads(self.job.stdout.readline())


class Watched:
    """A project of which everything is up to date, and what a change would do.

    Attributes:
        reads: what each stage depends on, as DVC says.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.folder = project.folder
        self.names = Names(project)
        self.before = self.names.now()
        assert "error" not in self.before
        with Repo(str(self.folder)) as repo:
            self.reads = {stage.name: [Path(one.fs_path) for one in stage.deps] for stage in repo.index.stages}
        assert self.run_again() | self.renamed() == set()

    def run_again(self) -> set[str]:
        """The stages that DVC would run again."""
        with Repo(str(self.folder)) as repo:
            return {name.rpartition(":")[2] for name in repo.status()} - {"inputs"}  # which always runs

    def renamed(self) -> set[str]:
        """The results that are now called something else."""
        now = self.names.now()
        return {name for name in self.before if now.get(name) != self.before[name]}

    @contextmanager
    def changed(self, path: Path) -> Iterator[Path]:
        """A file that may be changed in this context, and is as before after it."""
        before, times = path.read_bytes(), path.stat()
        yield path
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def give_space(project: Project) -> None:
    """A search space that goes with the small parameters."""
    path = project.folder / "params.yaml"
    before, _, _ = path.read_text().partition("  space:")
    path.write_text(before + SPACE)


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> Iterator[Watched]:
    project = make_project(tmp_path_factory.mktemp("shapes") / "project")
    give_space(project)
    project.run("dvc", "repro")
    found = Watched(project)
    yield found
    found.names.job.kill()


FILES = sorted(
    str(path.relative_to(ROOT))
    for folder in ("src/bmn", "stages")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".html")
)


def test_a_line_of_code(watched):
    """A comment in each file of the project in turn."""
    wrong = {}
    for name in FILES:
        with watched.changed(watched.folder / name) as path:
            comment = "<!-- another line -->" if path.suffix == ".html" else "# another line"
            path.write_text(f"{path.read_text()}{comment}\n")
            found = watched.renamed()
        found |= {stage for stage, files in watched.reads.items() if any(map(path.is_relative_to, files))}
        if found != rule(CODE, name):
            wrong[name] = found ^ rule(CODE, name)
    assert wrong == {}


def test_a_parameter(watched):
    from bmn.base.params import flatten, load_params

    wrong = {}
    for key, value in flatten(load_params(watched.folder / "params.yaml").model_dump(exclude={"tune": {"space"}})):
        other, expected = rule(PARAMETERS, key)
        if other is None:
            continue
        with watched.changed(watched.folder / "params.yaml") as path:
            values = {key: other}
            if key == "data.source":
                values |= {"data.features": "nowhere", "data.annotations": "nowhere"}
            if key == "model.tscale":
                values |= {"model.dscale": 12}
            assert other != value, key
            edit(path, values)
            found = watched.run_again() | watched.renamed()
        if found != expected:
            wrong[key] = found ^ expected
    assert wrong == {}


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> Project:
    """Own data beside the project, converted; training and the rest have not run."""
    folder = tmp_path_factory.mktemp("own")
    project = make_project(folder / "project")
    give_space(project)
    rng = np.random.default_rng(0)
    (folder / "mine").mkdir()
    lines = ["video,start,end,label,subset,duration"]
    for number in range(8):
        np.save(folder / f"mine/clip{number}.npy", rng.normal(size=(20, 8)).astype("float32"))
        lines.append(f"clip{number},{number + 2},{number + 8},wave,{'validation' if number < 2 else 'training'},40")
    (folder / "segments.csv").write_text("\n".join(lines) + "\n")
    truth = {
        f"clip{number}": {
            "duration": 40,
            "subset": "validation" if number < 2 else "training",
            "annotations": [{"segment": [number + 2, number + 8], "label": "wave"}],
        }
        for number in range(8)
    }
    (folder / "truth.json").write_text(json.dumps({"database": truth}))
    project.set(
        data__source="local", data__features="../mine", data__annotations="../segments.csv",
        data__ground_truth="../truth.json", train__init_from="../w.pdparams", train__batch_size=2,
    )  # fmt: skip
    (folder / "w.pdparams").write_bytes(b"weights")
    project.run("dvc", "repro", "convert")
    return project


@pytest.fixture
def own(converted, tmp_path) -> Iterator[tuple[Project, Names, dict[str, str]]]:
    """A copy of it for each change, and the names of its results before."""
    shutil.copytree(converted.folder.parent, tmp_path, dirs_exist_ok=True)
    project = converted.at(tmp_path / "project")
    names = Names(project)
    before = names.now()
    assert "error" not in before
    yield project, names, before
    names.job.kill()


def replace_line(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def feature_with_its_time_kept(folder: Path, project: Project) -> None:
    path = folder / "mine/clip1.npy"
    time.sleep(SETTLED + 0.1)
    project.run("python", "stages/inputs.py")  # so that its checksum is known by its times
    times = path.stat()
    array = np.load(path)
    array[0, 0] += 1
    np.save(path, array)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def training_segment(folder: Path, project: Project) -> None:
    replace_line(folder / "segments.csv", "clip5,7,13", "clip5,7,12")


def validation_segment(folder: Path, project: Project) -> None:
    replace_line(folder / "segments.csv", "clip1,3,9", "clip1,3,8")


def subset(folder: Path, project: Project) -> None:
    replace_line(folder / "segments.csv", "clip1,3,9,wave,validation", "clip1,3,9,wave,training")


def ground_truth(folder: Path, project: Project) -> None:
    replace_line(folder / "truth.json", "[3, 9]", "[3, 8]")


def initial_weights(folder: Path, project: Project) -> None:
    (folder / "w.pdparams").write_bytes(b"other weights")


def touched(folder: Path, project: Project) -> None:
    for path in [*folder.glob("mine/*"), folder / "segments.csv", folder / "w.pdparams"]:
        os.utime(path, ns=(0, 7))


def moved(folder: Path, project: Project) -> None:
    shutil.copytree(folder / "mine", folder / "elsewhere/features")
    shutil.rmtree(folder / "mine")
    for name in ("segments.csv", "truth.json", "w.pdparams"):
        (folder / name).rename(folder / "elsewhere" / name)
    project.set(
        data__features="../elsewhere/features", data__annotations="../elsewhere/segments.csv",
        data__ground_truth="../elsewhere/truth.json", train__init_from="../elsewhere/w.pdparams",
    )  # fmt: skip


DATA = TRAINING | SWEEP


@pytest.mark.parametrize(
    ("change", "ran", "renamed"),
    [
        (feature_with_its_time_kept, {"download", "convert"}, DATA | {"validation data"}),
        (training_segment, {"download", "convert"}, DATA),
        (validation_segment, {"download", "convert"}, DATA | {"validation data"}),
        (subset, {"download", "convert"}, DATA | {"validation data"}),
        (ground_truth, {"download", "convert"}, DATA | {"validation data"}),
        (initial_weights, set(), DATA),
        (touched, set(), set()),
        (moved, set(), set()),
    ],
)
def test_own_data(own, tmp_path, change, ran, renamed):
    """``dvc repro`` alone sees what changes, and nothing else counts."""
    project, names, before = own
    change(tmp_path, project)
    done = project.run("dvc", "repro", "convert")
    assert {name for name in ALL if f"Running stage '{name}'" in done.stdout} == ran
    now = names.now()
    assert {name for name in before if now.get(name) != before[name]} == renamed
