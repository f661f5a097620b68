"""Processes that share a global batch, started by ``paddle.distributed.launch`` (gloo on CPUs, NCCL on GPUs)."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from bmn.model.paddle import Tensor, paddle

Value = TypeVar("Value")


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
        paddle.distributed.all_reduce(total)
        return total

    def gather(self, value: Any) -> list[Any]:
        """One value of each process, in the order of their ranks, on every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = []
        paddle.distributed.all_gather_object(values, value)
        return values

    def from_first(self, make: Callable[[], Value]) -> Value:
        """A value that the first process makes, on every process: what lies on its disk alone."""
        values = [make()] if self.rank == 0 else [None]
        if self.size > 1:
            paddle.distributed.broadcast_object_list(values, src=0)
        return values[0]  # type: ignore[return-value]


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
        paddle.distributed.init_parallel_env()
    return World(paddle.distributed.get_rank(), paddle.distributed.get_world_size())
