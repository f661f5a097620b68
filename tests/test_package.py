"""The package on its own: what the wheel contains, and that it predicts in a clean environment."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bmn.predict.predictor import Predictor

pytestmark = pytest.mark.xdist_group("inference")
ROOT = Path(__file__).parents[1]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}  # without the source tree
CODE = "import bmn, json, numpy; print(json.dumps(bmn.load('BMN.onnx').propose(numpy.load('a.npy'), 60)))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder)
    [wheel] = folder.glob("*.whl")
    return wheel


def pip(*words):
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr


def test_the_wheel_contains_all_source_files(wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("bmn/")}
    source = {path for path in (ROOT / "src/bmn").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert packed == {str(path.relative_to(ROOT / "src")) for path in source}
    assert {"bmn/py.typed", "bmn/report/base.html"} <= packed


def test_it_predicts_from_onnx_without_paddle_dvc_or_mlflow(wheel, onnx_program, features, tmp_path):
    """In its own environment, with whatever pip installs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv/bin"
    pip("--python", programs / "python", "install", f"bmn[onnx] @ {wheel.as_uri()}")
    shutil.copy(onnx_program, tmp_path)
    np.save(tmp_path / "a.npy", features[0].T)
    expected = Predictor(onnx_program).propose(features[0].T, 60)

    def run(*words):
        command = [programs / words[0], *words[1:]]
        return subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)

    for name in ("paddle", "dvc", "mlflow", "optuna", "pandas", "matplotlib", "jinja2", "requests"):
        assert "ModuleNotFoundError" in run("python", "-c", f"import {name}").stderr
    in_python = run("python", "-c", CODE)
    assert in_python.returncode == 0, in_python.stderr
    assert json.loads(in_python.stdout) == expected
    typed = run("bmn", "predict", "a.npy", "--model", "BMN.onnx", "--duration", "60", "--format=json", "--format=csv")
    assert typed.returncode == 0, typed.stderr
    assert json.loads((tmp_path / "outputs/predict/bmn_results_inference.json").read_text()) == {"a.npy": expected}

    picture = run("bmn", "predict", "a.npy", "--model", "BMN.onnx", "--format=png")
    assert picture.returncode == 1
    assert picture.stderr.endswith(" is not installed; install bmn with its extra [all]\n")
