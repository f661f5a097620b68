"""dvc.yaml names exactly the code and the parameters that its stages use."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bmn.base.params import flatten, load_params

ROOT = Path(__file__).parents[2]
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]

# Imported by stages, without influence on what they write: a change there runs nothing again.
REPORTING = {
    "src/bmn/__init__.py",
    "src/bmn/base/command.py",
    "src/bmn/base/params.py",
    "src/bmn/base/errors.py",
    "src/bmn/report/figures.py",
    "src/bmn/base/files.py",
    "src/bmn/base/params_file.py",
    "src/bmn/base/runtime.py",
    *(str(path.relative_to(ROOT)) for path in (ROOT / "src/bmn/tracking").glob("*.py")),
    "src/bmn/data/__init__.py",
    "src/bmn/inference/__init__.py",
    "stages/layout.py",
}


def module_file(name: str) -> Path | None:
    base = (ROOT / "src" / name.replace(".", "/")) if name.startswith("bmn") else ROOT / "stages" / name
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)


def imports(path: Path) -> set[Path]:
    found: set[Path | None] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {module_file(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {module_file(node.module)} | {module_file(f"{node.module}.{alias.name}") for alias in node.names}
    return {path for path in found if path}


def all_imports(path: Path) -> set[Path]:
    reached, todo = set(), {path}
    while todo:
        reached |= todo
        # bmn.load imports the predictor when it is called, which no stage does.
        todo = {found for one in todo - {ROOT / "src/bmn/__init__.py"} for found in imports(one)} - reached
    return reached


def code_deps(stage: str) -> set[Path]:
    paths = [ROOT / dep for dep in STAGES[stage]["deps"] if dep.endswith(".py") or dep.startswith("src")]
    return {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_that_it_runs(stage):
    used = {str(path.relative_to(ROOT)) for path in all_imports(ROOT / "stages" / f"{stage}.py")}
    named = {str(path.relative_to(ROOT)) for path in code_deps(stage)}
    assert used - named - REPORTING == set()


@pytest.mark.parametrize("stage", STAGES)
def test_every_dependency_on_code_is_there(stage):
    for dep in STAGES[stage]["deps"]:
        if not dep.startswith(("data/", "outputs/")):
            assert (ROOT / dep).exists(), dep


def test_stages_name_parameters_that_exist_and_leave_none_out():
    keys = [key for key, _ in flatten(load_params(ROOT / "params.yaml").model_dump())]
    named = {name for stage in STAGES.values() for name in stage["params"]}
    for name in named:
        assert any(key == name or key.startswith(f"{name}.") for key in keys), name
    # Where and how often something is done, not what comes out of it; sweeps stand beside the stages.
    free = ("tracking.", "train.devices", "train.checkpoint_minutes", "tune.")
    unused = [key for key in keys if not key.startswith(free) and not any(f"{key}.".startswith(f"{n}.") for n in named)]
    assert unused == []
