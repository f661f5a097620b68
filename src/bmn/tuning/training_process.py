"""A worker's side of a training: the process that does it (:mod:`bmn.tuning.trial`), and what it has left behind.

What lies in the folder of a training is used as it is: a training that was done is not started again, one that was
stopped goes on from its checkpoint.
"""

import contextlib
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

from bmn.base.errors import BmnError
from bmn.base.files import read_json
from bmn.base.params import Dimension, Params
from bmn.base.runtime import child_environment
from bmn.data.subset import Subset, open_subset
from bmn.launch.lifetime import die_with
from bmn.provenance import identity
from bmn.training.naming import name_of_training

POLL = 0.05  # seconds between looks at a process
SUBSETS = ("training", "validation")

History = list[dict[str, float]]


class DataChangedError(BmnError):
    """The converted data was replaced while a sweep was under way: no trial of it can go on."""


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
        data_digest: of its content.
        folder: of this training.
        evaluation: name of the evaluation's file in it.
    """

    params: dict[str, Any]
    searched: dict[str, dict[str, Any]]
    evaluations: int
    data: str
    data_digest: str
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


def make_job(params: Params, searched: dict[str, Dimension], data: Path, data_digest: str, folder: Path) -> Job:
    """The job of training with some parameters; its folder is named after all that shapes the training, and its
    evaluation after all that shapes that.

    Args:
        data_digest: of the data of the sweep (:func:`digest_of_data`).
        folder: of all trainings.

    Raises:
        DataChangedError: the converted data is not what it was when the sweep began.
        BmnError: the initial weights cannot be read.
    """
    subsets = open_data(data, data_digest)
    name = name_of_training(params, *subsets, Path())
    dimensions = {key: dimension.model_dump() for key, dimension in searched.items()}
    choices = [params.proposals.model_dump(), dimensions, params.tune.evaluations]
    evaluation = identity(Path(__file__).with_name("trial.py"), choices, [name])
    return Job(
        params.model_dump(),
        dimensions,
        params.tune.evaluations,
        str(data),
        data_digest,
        str(folder / name),
        f"evaluation-{evaluation}.json",
    )


def digest_of_data(data: Path) -> str:
    """What the converted data is, by content: training and validation subset.

    Raises:
        BmnError: it is missing or damaged.
    """
    return "-".join(open_subset(data, name).digest for name in SUBSETS)


def open_data(data: Path, digest: str) -> tuple[Subset, Subset]:
    """The training and the validation subset of a sweep.

    Raises:
        DataChangedError: they are not what they were when the sweep began.
    """
    try:
        training, validation = (open_subset(data, name) for name in SUBSETS)
    except BmnError as error:
        raise DataChangedError(f"{error}; the sweep needs the data that it began with") from error
    if f"{training.digest}-{validation.digest}" != digest:
        raise DataChangedError(
            f"{data}: is not the data that this sweep began with; run dvc repro convert with the parameters of then to "
            f"go on, or begin another study: make tune STUDY=<another name>"
        )
    return training, validation


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
                env=child_environment(),
                start_new_session=True,
                preexec_fn=die_with(os.getpid()),
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
