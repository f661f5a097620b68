"""Run the command ``bmn``."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BMN = str(Path(sys.executable).with_name("bmn"))


def start(folder: Path, *words: object, **pipes: int) -> "subprocess.Popen[str]":
    """Start a subcommand in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([BMN, *map(str, words)], cwd=folder, env=environment, text=True, **pipes)


def bmn(folder: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    """Run a subcommand in a folder to completion."""
    process = start(folder, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
