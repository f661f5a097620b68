"""A job's process (:mod:`bmn.execution.child`), seen from the process that started it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from bmn.launch.lifetime import GRACE, die_with

Told = tuple[str, Any]  # kind and content of an event


class JobProcess:
    """A process that has imported what it is to run and waits for the arguments; it dies with the thread that made it.

    Args:
        entry: see :class:`bmn.execution.jobs.Job`.
        environment: the whole of it.
        folder: where it runs; here where not given.
    """

    def __init__(self, entry: str, environment: Mapping[str, str], folder: str | None = None) -> None:
        self.begun_with = entry, dict(environment), folder
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the end of its process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bmn.execution.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            cwd=folder,
            text=True,
            start_new_session=True,
            preexec_fn=die_with(os.getpid()),
        )
        self._write(entry)

    def run(self, arguments: dict[str, Any]) -> Iterator[Told]:
        """Run the job; gives its events, ``died`` where it ended without a result or an error."""
        self._write(json.dumps(arguments))
        kind = ""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):  # a killed process may leave the last one torn
                event = json.loads(line)
                kind = event["kind"]
                yield kind, event["content"]
        code = self._process.wait()
        if kind not in ("result", "error"):
            yield "died", self._why(code)

    def stop(self) -> None:
        """Ask it to end: a training writes a checkpoint first."""
        self._process.terminate()

    def end(self) -> None:
        """Wait for it to end, and kill it where that takes too long."""
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died: its end tells
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _why(self, code: int) -> str:
        if code < 0:
            hint = " (perhaps out of memory)" if code == -signal.SIGKILL else ""
            return f"its process was killed by {signal.Signals(-code).name}{hint}"
        self._log.seek(0)
        lines = [line for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        return f"its process exited with code {code} ({lines[-1].strip() if lines else 'no output'})"


class Reserve:
    """Processes that were started ahead, because imports take longer than a small job; one per seat."""

    def __init__(self) -> None:
        self._waiting: dict[int, JobProcess] = {}

    def take(self, seat: int, entry: str, environment: Mapping[str, str], folder: str | None = None) -> JobProcess:
        """The process that waits at a seat, or a new one; the next is started in its place."""
        process = self._waiting.pop(seat, None)
        if process is None or process.begun_with != (entry, environment, folder) or not process.alive:
            if process is not None:
                process.kill()
            process = JobProcess(entry, environment, folder)
        self._waiting[seat] = JobProcess(entry, environment, folder)
        return process

    def kill(self) -> None:
        """Kill those that wait."""
        for process in self._waiting.values():
            process.kill()
        self._waiting.clear()


OF_WORKER = Reserve()  # of a Ray worker, which runs one job after another
