"""What the comparisons share: how much is compared, on which network and device, and that results agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.child import Order
from benchmarks.forms import make_network, wait_for
from benchmarks.timing import Call
from benchmarks.videos import Clips
from bmn.base.schema import ModelParams
from bmn.model.network import BMN

SHARE_OF_MEMORY = 0.6  # of what is available: steps expected to need more are skipped
MORE_ROUNDS = 3  # times as many for calls of less than a second
PUBLISHED = ModelParams()  # sizes
CLIPS = Clips(count=16, seconds=15)


@dataclass(frozen=True)
class Size:
    """How much is compared.

    Attributes:
        model: network sizes.
        batch: videos per forward pass or training step.
        throughput_batch: videos per call of an exported program, for throughput.
        rounds: how often both sides take a turn.
        memory_batch: videos in the step whose memory is measured.
        windows: number of windows to label.
        suppressed: videos to decode and suppress.
        sample: how many of them the published loop handles per round.
        evaluated: videos with 100 proposals each.
        long: T = D of the long sequence.
        scaling: T = D of training steps at other sizes.
        batches: their batch sizes.
        steps: timed steps of an epoch, whose duration is scaled by the count.
        validated: the same for the videos of its validation.
        sides: T = D of the growth of a step.
        growing: batch sizes of that growth.
        clips: videos to extract features of.
    """

    model: ModelParams = PUBLISHED
    batch: int = 4
    throughput_batch: int = 16
    rounds: int = 5
    memory_batch: int = 8
    windows: int = 16
    suppressed: int = 1000
    sample: int = 20
    evaluated: int = 4728
    long: int = 400
    scaling: tuple[int, ...] = (50, 100, 200, 400)
    batches: tuple[int, ...] = (1, 4, 16)
    steps: int = 24
    validated: int = 64
    sides: tuple[int, ...] = (50, 100, 200, 400, 800)
    growing: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    clips: Clips = CLIPS


FULL = Size()
QUICK = Size(
    batch=1,
    throughput_batch=4,
    rounds=2,
    memory_batch=2,
    suppressed=200,
    evaluated=400,
    long=200,
    scaling=(50,),
    batches=(1, 4),
    steps=4,
    validated=16,
    sides=(50, 100, 200),
    growing=(1, 2, 4),
    clips=Clips(count=4, seconds=10),
)
TINY = Size(
    model=ModelParams(feat_dim=8, tscale=10, dscale=8, num_sample=4, num_sample_perbin=2),
    batch=2,
    throughput_batch=3,
    rounds=1,
    memory_batch=2,
    windows=2,
    suppressed=4,
    sample=2,
    evaluated=4,
    long=16,
    scaling=(6,),
    batches=(1, 2),
    steps=2,
    validated=2,
    sides=(6, 12),
    growing=(1, 2),
    clips=Clips(count=2, seconds=1, pixels=(32,)),
)


@dataclass(frozen=True)
class Bench:
    """Shared by the comparisons."""

    size: Size
    device: str

    @property
    def wait(self) -> Call:
        """Wait for the device."""
        return wait_for(self.device)

    @cached_property
    def network(self) -> BMN:
        """The network whose parameters both forms use."""
        return make_network(self.size.model)

    def order(self, form: str, batch: int, model: ModelParams | None = None, plain: bool = False) -> Order:
        """The order for a child process."""
        return Order(form, (model or self.size.model).model_dump(), batch, self.device, plain)


def same(what: str, ours: ArrayLike, theirs: ArrayLike, tolerance: float) -> None:
    """Raise an error if results differ, before they are timed."""
    gap = np.abs(np.asarray(ours) - np.asarray(theirs)).max(initial=0)
    if not gap <= tolerance:
        raise RuntimeError(f"{what}: ours and the published form differ by {gap}; the tolerance is {tolerance}")


def same_maps(what: str, ours: Sequence[NDArray[np.float32]], theirs: Sequence[NDArray[np.float32]]) -> None:
    """The same for a network's outputs; only the maps' valid cells count."""
    dscale, tscale = ours[0].shape[2:]
    valid = np.add.outer(np.arange(dscale), np.arange(tscale)) < tscale
    for one, other in zip(ours, theirs, strict=True):
        same(what, *((maps[..., valid] if maps.ndim == 4 else maps) for maps in (one, other)), 1e-5)
