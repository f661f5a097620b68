"""A small copy of the project that the tests run as a person would: real stages, real DVC, real MLflow."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL = {
    "data.synthetic.training_videos": 12,
    "data.synthetic.validation_videos": 6,
    "model.feat_dim": 8,
    "model.tscale": 16,
    "model.dscale": 12,
    "model.num_sample": 4,
    "model.num_sample_perbin": 2,
    "train.epochs": 2,
    "train.batch_size": 4,
    "tracking.log_every": 1,
}
CODE = ("src", "stages", "dvc.yaml", ".dvc", ".dvcignore", ".gitignore", "params.yaml", "Makefile", "pyproject.toml",
        "constraints.txt", *(path.name for path in ROOT.glob("requirements*.txt")))  # fmt: skip


@dataclass(frozen=True)
class Project:
    """A project folder and the environment that its commands get."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder; ``python`` is the one that runs the tests."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.environment | environment, capture_output=True, text=True, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def at(self, folder: Path) -> "Project":
        """The same project, copied or moved to another folder."""
        return Project(folder, self.environment | {"PYTHONPATH": str(folder / "src")})

    def set(self, **values: object) -> None:
        """Change parameters: ``set(proposals__alpha=0.5)``."""
        self.run("bmn", "set", *(f"{key.replace('__', '.')}={value}" for key, value in values.items()))


def make_project(folder: Path) -> Project:
    """A git repository with the project's code and small parameters."""
    ignored = shutil.ignore_patterns("__pycache__", "tmp", "cache", "*.egg-info")
    for name in CODE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    (folder / ".venv").mkdir()
    (folder / ".venv/ready").touch()  # so make has nothing to set up: the environment is that of the tests
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("MLFLOW_", "DVC_", "PADDLE_", "MAKE", "MFLAGS"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    project = Project(folder, kept | {"PATH": path, "PYTHONPATH": str(folder / "src"), "DO_NOT_TRACK": "true"})
    project.run("bmn", "set", *(f"{key}={value}" for key, value in SMALL.items()))
    project.run("git", "init", "--quiet")
    project.run("git", "config", "user.name", "Tester")
    project.run("git", "config", "user.email", "tester@example.com")
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", "start")
    return project
