"""Run the command ``bmn``; wait for what a process does, and look at others."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
BMN = str(Path(sys.executable).with_name("bmn"))
PATIENCE = 1200.0  # seconds that a machine may need whose cores others take


def start(folder: Path, *words: object, **pipes: int) -> "subprocess.Popen[str]":
    """Start a subcommand in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([BMN, *map(str, words)], cwd=folder, env=environment, text=True, **pipes)


def bmn(folder: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    """Run a subcommand in a folder to completion."""
    process = start(folder, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_for(check: Callable[[], object], process: subprocess.Popen | None = None, log: Path | None = None) -> None:
    """Wait until something is so, while a process runs if one is given; where it has ended, fail with its output."""
    deadline = time.monotonic() + PATIENCE
    while True:
        if process:
            assert process.poll() is None, (process.returncode, log.read_text() if log else process.communicate())
        if check():
            return
        assert time.monotonic() < deadline, log and log.read_text()
        time.sleep(0.01)


def command_line(process: psutil.Process) -> list[str]:
    """The words that a process was started with; none where it has ended meanwhile."""
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []
