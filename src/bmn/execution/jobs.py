"""Jobs, what is heard of them, and the one loop that keeps an engine busy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

LOOK = 1.0  # seconds after which silence is reported

Kind = Literal["started", "told", "result", "error", "died", "lost"]
ENDS = ("result", "error", "died", "lost")


@dataclass(frozen=True)
class Job:
    """A call of a function in a process of its own.

    What it leaves on disk must be idempotent: a job whose process died or whose node was lost is run again.

    Attributes:
        name: told from the others that run by it.
        entry: ``package.module:function``; it is called with the arguments and with ``tell``, which takes what is to
            be heard while it runs, and it returns the result. All of that is JSON.
        reads: files and folders, by their whole paths, which have to be where it runs.
    """

    name: str
    entry: str
    arguments: dict[str, Any]
    reads: Sequence[str] = ()


@dataclass(frozen=True)
class Event:
    """What is heard of a job.

    Attributes:
        kind: ``started``; ``told`` any number of times; then one of ``result``, ``error`` (it raised a
            :class:`bmn.base.errors.BmnError`), ``died`` (its process ended without a word) and ``lost`` (its node did).
        content: of ``started`` the host; of ``told`` and ``result`` what the function gave; of ``error`` ``type`` and
            ``text``; of the others a sentence.
    """

    job: str
    kind: Kind
    content: Any


class Engine(Protocol):
    """Runs jobs; a context manager, which stops those that still run.

    Attributes:
        devices: what a job is to train on: ``auto`` where it has a GPU, else ``cpu``.
    """

    devices: str

    @property
    def jobs(self) -> int:
        """How many can run at once."""

    @property
    def running(self) -> set[str]:
        """The jobs that were submitted and have not ended."""

    def submit(self, job: Job) -> None:
        """Have a job run."""

    def event(self, timeout: float) -> Event | None:
        """The next event of any job; None where there is none for so many seconds."""

    def cancel(self, name: str) -> None:
        """End a job, by force where it does not heed; nothing is heard of it any more."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def run(engine: Engine, jobs: Iterator[Job]) -> Iterator[Event | None]:
    """Run jobs, each as soon as there is room for it, and give what is heard; None when nothing was heard for a while.

    One that died is tried once more, and one whose node was lost as often as that happens; only the last end is an
    event. Who receives the events may cancel jobs. When no job runs and none is left it ends.
    """
    submitted: dict[str, Job] = {}
    deaths: set[str] = set()
    while True:
        while len(engine.running) < engine.jobs and (job := next(jobs, None)) is not None:
            submitted[job.name] = job
            engine.submit(job)
        if not engine.running:
            return
        event = engine.event(LOOK)
        if event is not None and (event.kind == "lost" or (event.kind == "died" and event.job not in deaths)):
            print(f"{event.job}: {event.content}; retrying", flush=True)
            deaths |= {event.job} if event.kind == "died" else set()
            engine.submit(submitted[event.job])
            continue
        yield event
