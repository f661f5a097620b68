"""The machine's speed, the operations of a training step, and a profile of it."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import paddle
import paddle.nn.functional as F

from benchmarks.forms import Step
from benchmarks.timing import Call, seconds_in_turns
from bmn.model.network import BMN
from bmn.model.sampling import cells_before
from bmn.model.triangle import make_plan

SIDE = 2000  # of the matrices
IMAGE = 4, 128, 100, 100


@dataclass(frozen=True)
class Rates:
    """Medians of one run.

    Attributes:
        product: operations per second of a float32 matrix product.
        convolution: of a 3 x 3 convolution, 128 to 128 channels, on a 100 x 100 image.
        step: seconds of the training step, measured alternately with them.
    """

    product: float
    convolution: float
    step: float


def rates(step: Step, rounds: int, wait: Call) -> Rates:
    """Measure the machine's rates and a training step alternately."""
    left, right = paddle.rand([SIDE, SIDE]), paddle.rand([SIDE, SIDE])
    image, kernel = paddle.rand(list(IMAGE)), paddle.rand([IMAGE[1], IMAGE[1], 3, 3])
    calls: dict[str, Call] = {
        "product": lambda: paddle.matmul(left, right),
        "convolution": lambda: F.conv2d(image, kernel, padding=1),
        "step": step,
    }
    taken = {name: statistics.median(times) for name, times in seconds_in_turns(calls, rounds, wait).items()}
    return Rates(
        product=2 * SIDE**3 / taken["product"],
        convolution=2 * image.size * IMAGE[1] * 9 / taken["convolution"],
        step=taken["step"],
    )


def operations(network: BMN) -> tuple[int, int]:
    """Multiplications and additions of a forward pass and of a training step per video, from the plan.

    Each gradient, for the weights and for the input, costs as much as the forward product. The tiles' weights are
    constants and the features need no gradient, so those take one instead of two. The 3 x 3 convolutions count as
    they are defined, although a transform does them in fewer. Gathering and everything other than products is not
    counted.
    """
    plan = make_plan(
        network.tscale,
        network.dscale,
        network.num_sample,
        network.num_sample_perbin,
        network.prop_boundary_ratio,
    )
    hidden, width = network.p_conv3d1.weight.shape[:2]
    slots = sum(group.weights.shape[0] * group.weights.shape[1] for group in plan.tiles)
    ring, valid = (len(cells_before(network.tscale + margin, network.tscale, network.dscale)[0]) for margin in (2, 0))
    sequence_layers = (network.b_conv2, network.ts_conv1, network.ts_conv2, network.te_conv1, network.te_conv2)
    whole = 2 * (
        sum(int(layer.weight.size) * network.tscale for layer in (*sequence_layers, network.p_conv1))
        + int(network.p_conv3d1.weight.size) * network.tscale
        + slots * hidden * width
        + (ring + valid) * 9 * width * width
        + valid * width * 2
    )
    half = 2 * (
        int(network.b_conv1.weight.size) * network.tscale
        + sum(int(group.weights.size) for group in plan.tiles) * hidden
    )
    return whole + half, 3 * whole + 2 * half


@dataclass(frozen=True)
class Share:
    """An operator's own time in the profiled steps, without the operators it calls."""

    operator: str
    calls: int
    seconds: float


def profile(step: Step, steps: int) -> list[Share]:
    """Profile training steps with Paddle's profiler; largest share first."""
    step()
    targets = [paddle.profiler.ProfilerTarget.CPU]
    profiler = paddle.profiler.Profiler(targets=targets, on_trace_ready=lambda _: None)
    profiler.start()
    for _ in range(steps):
        step()
    profiler.stop()
    calls: dict[str, int] = {}
    nanoseconds: dict[str, int] = {}
    for name, own in _own_times(profiler.profiler_result.get_data().values()):
        calls[name] = calls.get(name, 0) + 1
        nanoseconds[name] = nanoseconds.get(name, 0) + own
    shares = [Share(name, calls[name] // steps, time / steps / 1e9) for name, time in nanoseconds.items()]
    return sorted(shares, key=lambda share: -share.seconds)


def _own_times(nodes: Iterable[Any]) -> Iterable[tuple[str, int]]:
    """Each operator below some nodes of the profiler's trees, with its own time in nanoseconds."""
    for node in nodes:
        inner = list(_operators(node.children_node))
        if node.type.name == "Operator":
            own = node.end_ns - node.start_ns - sum(each.end_ns - each.start_ns for each in inner)
            yield node.name.removesuffix(" dygraph").removeprefix("Global_"), own
        yield from _own_times(node.children_node)


def _operators(nodes: Iterable[Any]) -> Iterable[Any]:
    """The outermost operators of some trees."""
    for node in nodes:
        if node.type.name == "Operator":
            yield node
        else:
            yield from _operators(node.children_node)
