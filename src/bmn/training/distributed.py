"""Data-parallel processes, started by ``paddle.distributed.launch`` (gloo on CPUs, NCCL on GPUs)."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from bmn.model.device import require_gpus
from bmn.model.paddle import Tensor, paddle

Value = TypeVar("Value")


@dataclass(frozen=True)
class World:
    """The processes of a training: their number, and the rank of this one (from 0)."""

    rank: int
    size: int

    def all_sum(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes, detached from the graph."""
        if self.size == 1:
            return tensor
        total = tensor.detach().clone()
        paddle.distributed.all_reduce(total)
        return total

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, by rank, on every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = []
        paddle.distributed.all_gather_object(values, value)
        return values

    def from_first(self, make: Callable[[], Value]) -> Value:
        """A value computed by the first process, on every process; for files that only its disk holds."""
        values = [make()] if self.rank == 0 else [None]
        if self.size > 1:
            paddle.distributed.broadcast_object_list(values, src=0)
        return values[0]  # type: ignore[return-value]


def launched() -> bool:
    """Whether ``paddle.distributed.launch`` started this process."""
    return "PADDLE_TRAINER_ID" in os.environ


def join(devices: str) -> World:
    """Select the device that ``execution.devices`` names and join the other processes, if any.

    Raises:
        BmnError: a GPU that it names is not there, or this Paddle has no code for it.
    """
    if devices.startswith("cpu"):
        paddle.set_device("cpu")
    elif devices != "auto" or paddle.device.cuda.device_count():
        require_gpus(devices)
        if devices.startswith("gpu") and not launched():
            paddle.set_device(devices)
    if launched():
        paddle.distributed.init_parallel_env()
    return World(paddle.distributed.get_rank(), paddle.distributed.get_world_size())
