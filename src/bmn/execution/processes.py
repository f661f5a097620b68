"""Jobs as processes of this machine, each with a GPU or a share of the cores; they die with this process."""

import os
import queue
import shutil
import subprocess
import threading
from typing import Self

from bmn.base.runtime import child_environment
from bmn.execution.jobs import ENDS, Event, Job
from bmn.execution.process import JobProcess, Reserve


class Processes:
    """See :class:`bmn.execution.jobs.Engine`.

    Args:
        jobs: at once; where not given, one a GPU, or one.
        cpus: threads of a job; where not given, its share of the cores.
        devices: as in ``execution.devices``.
    """

    def __init__(self, jobs: int | None, cpus: int | None, devices: str) -> None:
        self._gpus = gpus(devices)
        self.jobs = jobs or max(1, len(self._gpus))
        self.devices = "auto" if self._gpus else "cpu"
        self._threads = {"OMP_NUM_THREADS": str(cpus)} if cpus else {}
        self._events: queue.SimpleQueue[tuple[JobProcess, Event]] = queue.SimpleQueue()
        self._at_work: dict[str, tuple[int, JobProcess]] = {}
        self._reserve = Reserve()

    @property
    def running(self) -> set[str]:
        """The jobs that were submitted and have not ended."""
        return set(self._at_work)

    def submit(self, job: Job) -> None:
        """Have a job run, in the first free seat."""
        seat = min(set(range(self.jobs)) - {seat for seat, _ in self._at_work.values()})
        process = self._reserve.take(seat, job.entry, self.environment(seat))
        self._at_work[job.name] = seat, process
        threading.Thread(target=self._listen, args=(job, process), daemon=True).start()

    def event(self, timeout: float) -> Event | None:
        """The next event of any job; None where there is none for so many seconds."""
        try:
            while True:
                process, event = self._events.get(timeout=timeout)
                if self._at_work.get(event.job, (0, None))[1] is process:  # else it was cancelled
                    break
        except queue.Empty:
            return None
        if event.kind in ENDS:
            del self._at_work[event.job]
        return event

    def cancel(self, name: str) -> None:
        """Kill a job; nothing is heard of it any more."""
        self._at_work.pop(name)[1].kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reserve.kill()
        processes = [process for _, process in self._at_work.values()]
        for process in processes:
            process.stop()
        for process in processes:
            process.end()

    def environment(self, seat: int) -> dict[str, str]:
        """What a job finds in its environment: its share of the cores, and a GPU."""
        gpu = {"CUDA_VISIBLE_DEVICES": self._gpus[seat % len(self._gpus)]} if self._gpus else {}
        return child_environment(self.jobs) | self._threads | gpu

    def _listen(self, job: Job, process: JobProcess) -> None:
        for kind, content in process.run(job.arguments):
            self._events.put((process, Event(job.name, kind, content)))  # type: ignore[arg-type]


def gpus(devices: str) -> list[str]:
    """The GPUs that jobs may use: those that ``execution.devices`` names, with ``auto`` all that there are."""
    kind, _, given = devices.partition(":")
    if kind == "gpu":
        return given.split(",")
    if kind == "cpu" or not shutil.which("nvidia-smi"):
        return []
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [number for number in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if number]
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False).stdout
    return [str(number) for number in range(len(listed.splitlines()))]
