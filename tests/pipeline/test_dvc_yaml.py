"""dvc.yaml names exactly the code and the parameters that shape what its stages write."""

import json
from pathlib import Path

import numpy as np
import pytest
from pipeline.project import ROOT, make_project
from ruamel.yaml import YAML
from video.films import film
from video.seeing import write_seeing

from bmn.base.params import flatten, load_params
from bmn.provenance import NEUTRAL_PARAMETERS, code

pytestmark = pytest.mark.xdist_group("dvc_yaml")
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
WORKING = {  # the process that does the work of a stage
    "download": "stages/download.py",
    "convert": "stages/convert.py",
    "train": "stages/train_process.py",
    "evaluate": "stages/evaluate.py",
    "export": "stages/export.py",
}
LEAVES = [key for key, _ in flatten(load_params(ROOT / "params.yaml").model_dump())]


def below(key: str, name: str) -> bool:
    return f"{key}.".startswith(f"{name}.")


def neutral(key: str) -> bool:
    return any(below(key, name) for name in NEUTRAL_PARAMETERS)


def test_every_stage_but_inputs_which_always_runs_is_held_to_what_it_computes():
    assert STAGES.keys() == {"inputs", *WORKING}
    assert STAGES["inputs"]["always_changed"]


@pytest.mark.parametrize("stage", WORKING)
def test_a_stage_depends_on_the_code_that_shapes_its_results_and_on_no_other(stage):
    deps = [ROOT / dep for dep in STAGES[stage]["deps"] if dep.startswith(("src/", "stages/"))]
    assert all(dep.exists() for dep in deps)
    named = [
        file
        for dep in deps
        for file in (dep.rglob("*") if dep.is_dir() else [dep])
        if file.is_file() and file.suffix != ".pyc"
    ]
    assert sorted(named) == sorted(code(ROOT / WORKING[stage]).values())


@pytest.fixture(scope="module")
def traced(tmp_path_factory) -> dict[str, dict[str, set[str]]]:
    """The parameters that each stage reads, and those that it checks at its end.

    The embedded data are made, own data go through all stages in windows.
    """
    project = make_project(tmp_path_factory.mktemp("dvc_yaml") / "project")
    found: dict[str, dict[str, set[str]]] = {stage: {"read": set(), "checked": set()} for stage in WORKING}

    def trace(*stages: str) -> None:
        project.run("python", "stages/inputs.py")
        for stage in stages:
            project.run("python", str(ROOT / "tests/pipeline/tracing.py"), WORKING[stage], "read.json")
            for kind, keys in json.loads((project.folder / "read.json").read_text()).items():
                found[stage][kind] |= set(keys)

    trace("download")
    rng = np.random.default_rng(0)
    (project.folder / "mine").mkdir()
    lines = ["video,start,end,label,subset,duration"]
    for number in range(8):
        np.save(project.folder / f"mine/clip{number}.npy", rng.normal(size=(40, 8)).astype("float32"))
        label, subset = "nod" if number % 2 else "wave", "validation" if number < 2 else "training"
        lines.append(f"clip{number},{number + 2},{number + 8},{label},{subset},40")
    (project.folder / "segments.csv").write_text("\n".join(lines))
    project.set(
        data__source="local", data__features="mine", data__annotations="segments.csv", data__length="window",
        train__batch_size=2,
    )  # fmt: skip
    trace(*WORKING)
    (project.folder / "clips").mkdir()
    film(project.folder / "clips/clip0.mp4", seconds=2)
    write_seeing(project.folder / "seeing.onnx")
    project.set(data__features="clips", extract__backbone="seeing.onnx", extract__size=16)
    trace("download")
    return found


@pytest.mark.parametrize("stage", WORKING)
def test_a_stage_depends_on_the_parameters_that_it_reads_and_on_no_others(stage, traced):
    named = [name for name in STAGES[stage]["params"] if isinstance(name, str)]
    declared = {leaf for leaf in LEAVES if any(below(leaf, name) for name in named)}
    known = {leaf for leaf in LEAVES if any(below(key, leaf) for key in traced[stage]["read"])}
    assert declared == {leaf for leaf in known if not neutral(leaf)}


@pytest.mark.parametrize("stage", WORKING)
def test_a_stage_checks_at_its_end_what_it_depends_on(stage, traced):
    """DVC reads params.yaml when a stage ends, and records what it finds there."""
    named = [name for name in STAGES[stage]["params"] if isinstance(name, str)]
    assert [name for name in named if not any(below(name, group) for group in traced[stage]["checked"])] == []


def test_what_no_stage_depends_on_is_neutral():
    named = {name for stage in STAGES.values() for name in stage.get("params", []) if isinstance(name, str)}
    assert [leaf for leaf in LEAVES if not neutral(leaf) and not any(below(leaf, name) for name in named)] == []


def test_what_is_said_of_neutral_parameters_is_about_ones_that_exist():
    assert all(any(below(leaf, name) for leaf in LEAVES) for name in NEUTRAL_PARAMETERS)


def test_a_dependency_on_inputs_is_one_that_they_hold(tmp_path):
    from bmn.acquire.inputs import identify_inputs
    from bmn.base.checksums import Checksums

    with Checksums(tmp_path / "checksums.db") as known:
        held = identify_inputs(load_params(ROOT / "params.yaml"), Path(), known).keys()
    names = [
        entry["data/inputs.json"]
        for stage in STAGES.values()
        for entry in stage.get("params", [])
        if isinstance(entry, dict)
    ]
    assert {name for found in names for name in found} == held
