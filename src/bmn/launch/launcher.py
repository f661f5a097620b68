"""Starts and supervises the processes of a training, so that none outlives it unnoticed."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from bmn.base.errors import BmnError
from bmn.base.runtime import child_environment
from bmn.launch.lifetime import SUPERVISOR, die_with, ignore_signals

POLL = 0.2  # seconds between checks of the job
LAST_LINES = 30  # shown of a failed process's log


def processes(devices: str) -> int:
    """How many processes ``execution.devices`` requests on this host: one per GPU, or the number in ``cpu:N``."""
    kind, _, given = devices.partition(":")
    return len(given.split(",")) if kind == "gpu" else int(given or 1)


def supervise(script: Path, devices: str, logs: Path) -> None:
    """Run a training script in its processes, show its output, and wait for them.

    A single process is started directly. Several, or those of several hosts (named by the launcher's variables
    ``PADDLE_NNODES`` and ``PADDLE_MASTER``), are started by ``paddle.distributed.launch``. SIGINT or SIGTERM asks the
    training to stop; another SIGINT (a second Ctrl-C) kills it.

    Args:
        devices: ``auto``, ``cpu``, ``cpu:2``, ``gpu:0,1``.
        logs: folder for one log per process; its old content is deleted.

    Raises:
        BmnError: a process failed; its own error is printed rather than those of the others.
    """
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    environment = child_environment(processes(devices))
    if processes(devices) == 1 and "PADDLE_NNODES" not in os.environ:
        code = _watch([sys.executable, str(script)], environment, None, None)
        if code < 0:
            raise BmnError(f"the training was killed by {_name(-code)}{_hint(-code)}; run the same command to resume")
        if code:
            sys.exit(code)
        return
    kind, _, given = devices.partition(":")
    where = ["--devices", given] if kind == "gpu" else ["--nproc_per_node", given or "1"]
    words = [sys.executable, "-m", "paddle.distributed.launch", *where, "--log_dir", str(logs), str(script)]
    code = _watch(words, environment, logs / "launcher.log", logs / "workerlog.0")
    if code:
        _explain(logs)
        raise BmnError(f"training in {processes(devices)} processes failed; their logs are in {logs}")


def _watch(words: list[str], environment: dict[str, str], output: Path | None, shown: Path | None) -> int:
    """Run a job in its own session until it ends, writing its output to a file and showing the log ``shown``."""
    with open(output or os.devnull, "wb") as file:
        job = subprocess.Popen(
            words,
            stdout=file if output else None,
            stderr=file if output else None,
            env=environment | {SUPERVISOR: str(os.getpid())},
            start_new_session=True,
            preexec_fn=die_with(os.getpid()),
        )
    asked: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        if not asked:
            job.terminate()
        elif number == signal.SIGINT:
            job.kill()
        asked.append(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    place = 0
    try:
        while job.poll() is None:
            time.sleep(POLL)
            # Once the job has failed, _explain() takes over, which puts the cause first.
            if shown and shown.exists() and job.poll() is None:
                place = _show(shown, place)
        if shown and job.returncode == 0:
            _show(shown, place)
        return job.returncode
    finally:
        job.kill()
        for number, handler in before.items():
            signal.signal(number, handler)
        if asked:
            ignore_signals()


def _show(log: Path, place: int) -> int:
    """Print a log from an offset on; return the offset of its current end."""
    with open(log, "rb") as file:
        file.seek(place)
        sys.stdout.buffer.write(file.read())
        sys.stdout.buffer.flush()
        return file.tell()


def _explain(logs: Path) -> None:
    """Print why a job failed: the end of the log of a process with its own error, or that one was killed."""
    for log in sorted(logs.glob("workerlog.*")):
        lines = log.read_text(errors="replace").splitlines()
        if _own_error(lines):
            print(f"--- process {log.suffix[1:]} ({log}) ---", *lines[-LAST_LINES:], sep="\n", file=sys.stderr)
            return
    launcher = (logs / "launcher.log").read_text(errors="replace")
    for rank, code in re.findall(r"Container rank (\d+) status failed .* code (-?\d+)", launcher)[:1]:
        end = f"was killed by {_name(-int(code))}{_hint(-int(code))}" if int(code) < 0 else f"exited with code {code}"
        print(f"process {rank} {end}", file=sys.stderr)


def _own_error(lines: list[str]) -> bool:
    """Whether a process died of its own error, not because another one died."""
    text = "\n".join(lines)
    neighbour = re.search(r"gloo|NCCL|Connection (closed|reset)", text)
    return any(line.startswith("error: ") for line in lines) or ("Traceback (most" in text and not neighbour)


def _name(number: int) -> str:
    return signal.Signals(number).name


def _hint(number: int) -> str:
    return " (possibly out of memory)" if number == signal.SIGKILL else ""
