"""``bmn`` as a whole: listing, help, exit codes."""

import json
import re
import subprocess
import sys

import pytest
from shell import ROOT, bmn

import bmn as package
from bmn.cli import SECTIONS

NAMES = [name for names in SECTIONS.values() for name in names]
TUNE = ["run", "status", "apply", "proposals", "ui"]
HEAVY = ("paddle", "mlflow", "optuna", "matplotlib", "pandas", "pydantic", "numpy")


def test_without_arguments_it_lists_the_subcommands_one_per_line(tmp_path):
    done = bmn(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    listed = re.findall(r"^  ([a-z][a-z-]*) {2,}\S.*[.]$", done.stdout, re.MULTILINE)
    assert listed == NAMES
    assert re.findall(r"^(\w.*):$", done.stdout, re.MULTILINE) == ["Options", *SECTIONS]


def test_modules_and_subcommands_match():
    modules = {path.stem.replace("_", "-") for path in (ROOT / "src/bmn/cli").glob("[a-z]*.py")}
    assert modules == set(NAMES)


def test_the_version_is_that_of_the_package(tmp_path):
    assert package.__version__ in bmn(tmp_path, "--version").stdout


@pytest.mark.parametrize("words", [[], *([name] for name in NAMES), *(["tune", name] for name in TUNE)])
def test_help_avoids_slow_imports(words):
    code = (
        "import json, sys; from bmn.cli import main\n"
        f"try: main([*{words!r}, '--help'])\n"
        f"finally: print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, check=True)
    shown, _, loaded = printed.stdout.rstrip().rpartition("\n")
    assert shown.startswith("Usage: ")
    assert json.loads(loaded) == []


@pytest.mark.parametrize("words", [["nothing"], ["predict"], ["predict", "a.npy", "--batch-size", "0"], ["use"]])
def test_wrong_usage_exits_with_2_and_points_to_help(tmp_path, words):
    done = bmn(tmp_path, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: bmn")
    assert "Traceback" not in done.stderr


def test_bad_input_exits_with_1_and_one_sentence(tmp_path):
    done = bmn(tmp_path, "compare")
    assert done.returncode == 1
    assert done.stderr.startswith("error: params.yaml: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_package_is_named(tmp_path):
    (tmp_path / "mlflow.py").write_text("raise ModuleNotFoundError(\"No module named 'mlflow'\", name='mlflow')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from bmn.cli import main; main(['send'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: mlflow is not installed; install bmn with its extra [all]\n"
