"""The committed dvc.lock is that of this code and of these parameters."""

from dvc.dependency import ParamsDependency
from dvc.repo import Repo
from pipeline.project import ROOT


def test_the_committed_lock_is_of_this_code_and_these_parameters():
    """What the stages wrote is not compared: the bits of a training are those of one kind of processor."""
    with Repo(str(ROOT)) as repo:
        changed = {
            f"{stage.name}: {dep.def_path}"
            for stage in repo.index.stages
            for dep in stage.deps
            if dep.def_path.startswith(("src/", "stages/", "params.yaml"))
            or (isinstance(dep, ParamsDependency) and dep.def_path == "params.yaml")
            if dep.workspace_status()
        }
    assert changed == set(), "run make repro and commit dvc.lock"
