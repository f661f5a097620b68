"""Jobs on a Ray cluster; the one place that knows Ray.

A job is a Ray task that starts the job's process on its node and passes on what that tells. The project's folder lies
at the same path on every node; that is where the code, the data and the checkpoints of a lost node's jobs are found.
"""

import os
import queue
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Self

import ray
from ray.exceptions import (
    ObjectStoreFullError,
    OutOfDiskError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from bmn.base.errors import BmnError
from bmn.execution.jobs import ENDS, Event, Job
from bmn.execution.process import OF_WORKER, Told

CODE = str(Path(__file__).parents[2])
FULL = "Ray's object store is full; start the nodes with more --object-store-memory, or free their disks"
ANSWER = 10.0  # seconds in which a cluster has to answer
LOCAL: dict[str, Any] = {  # jobs here are as urgent as the engine processes has them; Ray's own niceness is 15
    "include_dashboard": False,
    "_system_config": {"worker_niceness": 0},
}
HEED = 0.2  # seconds in which a job notices that it is cancelled: Ray interrupts Python, not a read that waits


class Cluster:
    """See :class:`bmn.execution.jobs.Engine`.

    Args:
        address: ``host:port`` of a running cluster, ``auto`` for the one of this machine; without it a cluster of this
            machine alone is made, which ends with this process.
        jobs: at once, at most; where not given, as many as the cluster has room for.
        cpus: cores of a job, 1 where not given; it has a GPU besides where the cluster has any.
        devices: ``cpu`` where GPUs are not to be used.

    Raises:
        BmnError: see :func:`bmn.execution.engines.open_engine`.
    """

    def __init__(self, address: str | None, jobs: int | None, cpus: int | None, devices: str) -> None:
        _connect(address)
        self._limit, self._needs = jobs, {"CPU": cpus or 1}
        if not devices.startswith("cpu") and any(node.get("GPU") for node in _nodes()):
            self._needs["GPU"] = 1
        self.devices = "auto" if "GPU" in self._needs else "cpu"
        self._at_work: dict[str, Any] = {}
        if not self._room():
            needs = " and ".join(f"{number} {name}" for name, number in self._needs.items())
            largest = max((node.get("CPU", 0) for node in _nodes()), default=0)
            ray.shutdown()
            raise BmnError(
                f"params.yaml: execution.cpus: a job takes {needs}, more than any node of the cluster has (the largest "
                f"has {largest:g} CPU); lower execution.cpus or add a node"
            )

    @property
    def jobs(self) -> int:
        """How many can run at once; of a cluster that has lost all its nodes one, which waits for another."""
        return max(1, min(self._limit or self._room(), self._room()))

    @property
    def running(self) -> set[str]:
        """The jobs that were submitted and have not ended."""
        return set(self._at_work)

    def submit(self, job: Job) -> None:
        """Have a job run where there is room."""
        task = _relay.options(
            num_cpus=self._needs["CPU"], num_gpus=self._needs.get("GPU", 0), num_returns="streaming", max_retries=0
        )
        self._at_work[job.name] = task.remote(job, self._needs["CPU"], str(Path.cwd()))

    def event(self, timeout: float) -> Event | None:
        """The next event of any job; None where there is none for so many seconds."""
        ready, _ = ray.wait(list(self._at_work.values()), timeout=timeout)
        if not ready:
            return None
        name = next(name for name, task in self._at_work.items() if task is ready[0])
        try:
            kind, content = ray.get(next(ready[0]))
        except (ObjectStoreFullError, OutOfDiskError):
            del self._at_work[name]
            return Event(name, "error", {"type": BmnError.__name__, "text": f"{name}: {FULL}"})
        except (WorkerCrashedError, OutOfMemoryError) as error:
            del self._at_work[name]
            return Event(name, "died", f"its Ray worker was killed ({type(error).__name__})")
        except RayTaskError as error:
            del self._at_work[name]
            return Event(name, "died", f"its node cannot run it ({str(error).strip().splitlines()[-1]})")
        except (RayError, StopIteration) as error:
            del self._at_work[name]
            return Event(name, "lost", f"its node was lost ({type(error).__name__})")
        if kind in ENDS:
            del self._at_work[name]
        return Event(name, kind, content)

    def cancel(self, name: str) -> None:
        """End a job, by force where it does not heed; nothing is heard of it any more."""
        ray.cancel(self._at_work.pop(name))  # by force it would kill the worker, with the process in its reserve

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for task in self._at_work.values():
            ray.cancel(task)
        for task in self._at_work.values():
            with suppress(RayError, StopIteration):
                while ray.wait([task], timeout=ANSWER)[0]:  # until it has stopped its process
                    ray.get(next(task), timeout=ANSWER)
        self._at_work.clear()
        ray.shutdown()

    def _room(self) -> int:
        return sum(int(min(node.get(name, 0) // number for name, number in self._needs.items())) for node in _nodes())


def _connect(address: str | None) -> None:
    host, _, port = (address or "").rpartition(":")
    try:
        if host:
            socket.create_connection((host, int(port)), timeout=ANSWER).close()  # Ray itself waits for minutes
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level="ERROR",
            **({} if address else LOCAL),
            runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([CODE, os.environ.get("PYTHONPATH", "")])}},
        )
    except Exception as error:  # Ray raises no narrower one where a node does not start in time
        ray.shutdown()  # it may be half connected
        cause = " ".join(str(error).split())
        if address is None:
            raise BmnError(
                f"params.yaml: execution.address is null; a Ray cluster of this machine does not start ({cause}): try "
                "again when the machine is less busy, name a running cluster, or set execution.engine=processes"
            ) from error
        raise BmnError(
            f"params.yaml: execution.address is {address!r}; no Ray cluster can be used there ({cause}): start one "
            f"with ray start --head, with this version of Ray ({ray.__version__}) and Python, or correct the address"
        ) from error


def _nodes() -> list[dict[str, float]]:
    """The resources of the nodes that live."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def relay(job: Job, cpus: int, folder: str) -> Iterator[Told]:
    """Run a job on a node; gives its events. An interrupt, by which Ray cancels, stops the job wherever it arrives."""
    missing = next((path for path in [folder, *job.reads] if not Path(path).exists()), None)
    if missing is not None:
        text = f"{missing}: not on the node {socket.gethostname()}; put project and data on paths that all nodes share"
        yield "error", {"type": BmnError.__name__, "text": text}
        return
    process = OF_WORKER.take(0, job.entry, os.environ | {"OMP_NUM_THREADS": str(cpus)}, folder)

    def interrupted(number: int, frame: FrameType | None) -> None:
        process.stop()  # here, because Ray, while it takes an event, keeps an interrupt from the code below
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupted)
    told: queue.SimpleQueue[Told] = queue.SimpleQueue()

    def listen() -> None:
        for one in process.run(job.arguments):
            told.put(one)

    threading.Thread(target=listen, daemon=True).start()
    kind = ""
    try:
        while kind not in ENDS:
            with suppress(queue.Empty):
                kind, content = told.get(timeout=HEED)
                yield kind, content
    finally:
        process.stop()
        process.end()


_relay = ray.remote(relay)
