"""Several processes that share a global batch, started by ``paddle.distributed.launch`` (gloo on CPUs, NCCL on GPUs)."""

import os
from dataclasses import dataclass
from typing import Any

import paddle
import paddle.distributed as dist
from paddle import Tensor


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


def join() -> World:
    """Join the other processes, if there are any."""
    if launched():
        dist.init_parallel_env()
    return World(dist.get_rank(), dist.get_world_size())
