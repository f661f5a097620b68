"""The network over a subset of the data, and the proposals that follow from its maps."""

from collections.abc import Iterable, Iterator

import numpy as np
import paddle
from numpy.typing import NDArray

from bmn.data.batches import Batch, load_batches, ordered_batches
from bmn.data.subset import Subset
from bmn.model.network import BMN
from bmn.proposals import Floats, SoftNMS, decode, in_seconds, soft_nms

Maps = tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]


def network_maps(
    network: BMN, subset: Subset, batches: Iterable[NDArray[np.int64]]
) -> Iterator[tuple[Batch, Maps]]:
    """Run the network, without gradients, over batches of rows of a subset.

    Yields:
        The batch, and its confidence map ``[batch, 2, D, T]``, start and end probabilities ``[batch, T]``.
    """
    network.eval()
    for batch in load_batches(subset.store, subset.segments, batches):
        with paddle.no_grad():
            maps = network(paddle.to_tensor(batch.features))
        yield batch, maps


def proposals_of(batch: Batch, maps: Maps, subset: Subset, settings: SoftNMS) -> dict[str, Floats]:
    """The proposals of the videos of a batch: by id ``[proposal, 3]`` (start and end in seconds, score), best first."""
    windows = [subset.store.windows[row] for row in batch.rows]
    durations = np.array([window.end - window.start for window in windows])
    kept = soft_nms(decode(*(tensor.numpy() for tensor in maps)), settings)
    return dict(zip((window.video for window in windows), in_seconds(kept, durations), strict=True))


def propose(network: BMN, subset: Subset, settings: SoftNMS, batch_size: int) -> dict[str, Floats]:
    """The proposals of every video of a subset; see :func:`proposals_of`."""
    found: dict[str, Floats] = {}
    for batch, maps in network_maps(network, subset, ordered_batches(len(subset.store), batch_size)):
        found |= proposals_of(batch, maps, subset, settings)
    return found
