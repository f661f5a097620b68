"""A worker's side of a training: the process that does it (:mod:`bmn.tuning.trial`), and what it has left behind.

What lies in the folder of a training is used as it is: a training that was done is not started again, one that was
stopped goes on from its checkpoint.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bmn.base.files import read_json
from bmn.base.params import Dimension, Params
from bmn.base.runtime import user_environment
from bmn.data.store import open_store
from bmn.launch.launcher import die_with_parent
from bmn.training.fingerprint import fingerprint

POLL = 0.05  # seconds between looks at a process
NOT_OF_A_TRAINING = {"devices", "checkpoint_minutes"}

History = list[dict[str, float]]


class TrialFailed(Exception):
    """A training ended without a result; the message tells why."""


@dataclass(frozen=True)
class Job:
    """What a process is to do.

    Attributes:
        params: the whole of the parameters.
        searched: dimensions of ``proposals.`` for the inner search; where there are none, nothing is searched.
        evaluations: settings that the inner search tries.
        data: folder of the converted data.
        folder: of this training.
        evaluation: name of the evaluation's file in it.
    """

    params: dict[str, Any]
    searched: dict[str, dict[str, Any]]
    evaluations: int
    data: str
    folder: str
    evaluation: str


@dataclass(frozen=True)
class Outcome:
    """What a training ends with.

    Attributes:
        figures: numbers by name; ``AUC`` (percent) and ``milliseconds a video`` among them.
        proposals: what the inner search found, by dotted key.
    """

    figures: dict[str, float]
    proposals: dict[str, Any]


def make_job(params: Params, searched: dict[str, Dimension], data: Path, folder: Path) -> Job:
    """The job of training with some parameters; its folder is named after all that shapes the training.

    Args:
        folder: of all trainings.

    Raises:
        BmnError: the converted data is not there.
    """
    shaping = params.model_dump(include={"model", "train"}, exclude={"train": NOT_OF_A_TRAINING})
    sources = [open_store(data, subset).sha256 for subset in ("training", "validation")]
    if params.train.init_from:
        sources.append(hashlib.sha256(Path(params.train.init_from).read_bytes()).hexdigest())
    dimensions = {key: dimension.model_dump() for key, dimension in searched.items()}
    evaluation = json.dumps([params.proposals.model_dump(), dimensions, params.tune.evaluations], sort_keys=True)
    return Job(
        params.model_dump(),
        dimensions,
        params.tune.evaluations,
        str(data),
        str(folder / fingerprint(shaping, sources)),
        f"evaluation-{hashlib.sha256(evaluation.encode()).hexdigest()[:16]}.json",
    )


class TrainingProcess:
    """A training that goes as far as it is told; a context manager at whose end no process is left."""

    def __init__(self, job: Job, beat: Callable[[], None]) -> None:
        """``beat`` is called all the time while waiting."""
        self.job, self.beat = job, beat
        self.folder = Path(job.folder)
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            assert self.process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def to(self, epochs: int) -> History:
        """Train to so many epochs; gives the history up to there, shorter where the training stops early by itself.

        Raises:
            TrialFailed: it ended with an error.
        """
        self._go_on(epochs, lambda: len(self._history()) >= epochs)
        return self._history()[:epochs]

    def finish(self) -> tuple[History, Outcome]:
        """Train to the last epoch and evaluate; see :meth:`to`."""
        self._go_on(int(self.job.params["train"]["epochs"]), lambda: False)
        return self._history(), Outcome(**read_json(self.folder / self.job.evaluation))

    def _history(self) -> History:
        path = self.folder / "history.json"
        history: History = read_json(path) if path.exists() else []
        return history

    def _go_on(self, epochs: int, far_enough: Callable[[], bool]) -> None:
        evaluation = self.folder / self.job.evaluation
        if evaluation.exists() or far_enough():
            return
        self.process = self.process or self._start()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: found out below
            self.process.stdin.write(f"{epochs}\n")
            self.process.stdin.flush()
        while not (evaluation.exists() or far_enough()):
            if self.process.poll() is not None and not evaluation.exists():
                raise TrialFailed(self._why(self.process.returncode))
            self.beat()
            time.sleep(POLL)

    def _start(self) -> subprocess.Popen[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "log.txt", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bmn.tuning.trial"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                env=user_environment(),
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(self.job)) + "\n")
        process.stdin.flush()
        return process

    def _why(self, code: int) -> str:
        log = self.folder / "log.txt"
        if code < 0:
            hint = " (perhaps the memory ran out)" if code == -signal.SIGKILL else ""
            return f"its process was ended by {signal.Signals(-code).name}{hint}; its log is {log}"
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")] or lines or ["no word"]
        return f"{told[-1]}; its log is {log}"
