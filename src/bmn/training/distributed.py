"""Several processes that share a global batch, started by ``paddle.distributed.launch`` (gloo on CPUs, NCCL on GPUs)."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle
import paddle.distributed as dist
from paddle import Tensor

from bmn.errors import BmnError
from bmn.runtime import user_environment


@dataclass(frozen=True)
class World:
    """The processes of a training, and which of them this is (``rank``, from 0)."""

    rank: int
    size: int

    def all_sum(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes (detached from the gradient)."""
        if self.size == 1:
            return tensor
        total = tensor.detach().clone()
        dist.all_reduce(total)
        return total

    def sum_gradients(self, parameters: list[Tensor]) -> None:
        """Replace every gradient by its sum over the processes, in one exchange."""
        if self.size == 1:
            return
        flat = paddle.concat([parameter.grad.flatten() for parameter in parameters])
        dist.all_reduce(flat)
        sizes = [int(parameter.size) for parameter in parameters]
        for parameter, part in zip(parameters, paddle.split(flat, sizes), strict=True):
            paddle.assign(part.reshape(parameter.shape), parameter.grad)

    def gather(self, value: Any) -> list[Any]:
        """One value of each process, in the order of their ranks, on every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = []
        dist.all_gather_object(values, value)
        return values


def launched() -> bool:
    """Whether ``paddle.distributed.launch`` started this process."""
    return "PADDLE_TRAINER_ID" in os.environ


def join(devices: str) -> World:
    """Take the device that ``train.devices`` names and join the other processes, if there are any."""
    if devices.startswith("cpu"):
        paddle.set_device("cpu")
    elif devices.startswith("gpu") and not launched():
        paddle.set_device(devices)
    if launched():
        dist.init_parallel_env()
    return World(dist.get_rank(), dist.get_world_size())


def processes(devices: str) -> int:
    """How many processes ``train.devices`` asks for: one a GPU, or the number behind ``cpu:``."""
    kind, _, given = devices.partition(":")
    return len(given.split(",")) if kind == "gpu" else int(given or 1)


def launch(script: Path, devices: str, logs: Path) -> None:
    """Run a script in several processes and wait for them.

    Args:
        devices: ``gpu:0,1`` or ``cpu:2``.
        logs: folder of a log a process; that of rank 0 is printed as well.

    Raises:
        BmnError: a process failed; its log is printed before.
    """
    shutil.rmtree(logs, ignore_errors=True)
    kind, _, given = devices.partition(":")
    spread = ["--devices", given] if kind == "gpu" else ["--nproc_per_node", given]
    words = [sys.executable, "-m", "paddle.distributed.launch", *spread, "--log_dir", str(logs), str(script)]
    code = subprocess.run(words, env=user_environment(), check=False).returncode
    if code == 0:
        return
    told = [log for log in sorted(logs.glob("workerlog.*")) if _tells_why(log)]
    for log in told[:1]:
        print(f"--- {log} ---", *log.read_text(errors="replace").splitlines()[-30:], sep="\n", file=sys.stderr)
    raise BmnError(f"training in {processes(devices)} processes failed (exit code {code}); their logs are in {logs}")


def _tells_why(log: Path) -> bool:
    """Whether a process died of its own error, not of the end of its neighbour."""
    text = log.read_text(errors="replace")
    return "error: " in text or ("Traceback (most recent call last)" in text and "gloo" not in text)
