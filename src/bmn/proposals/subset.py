"""Run the network over a subset of the data and turn its maps into proposals."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from bmn.data.batches import Batch, load_batches, video_batches
from bmn.data.subset import Subset
from bmn.data.windows import Window
from bmn.model.network import BMN
from bmn.model.paddle import paddle
from bmn.proposals import Candidates, Floats, ProposalSettings, concatenate, decode, select, whole_videos

Maps = tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]


def network_maps(network: BMN, subset: Subset, batches: Iterable[NDArray[np.int64]]) -> Iterator[tuple[Batch, Maps]]:
    """Run the network, without gradients, over batches of rows of a subset.

    Yields:
        Each batch with its confidence map ``[batch, 2, D, T]`` and start and end probabilities ``[batch, T]``.
    """
    network.eval()
    for batch in load_batches(subset.store, subset.segments, batches):
        with paddle.no_grad():
            maps = network(paddle.to_tensor(batch.features))
        yield batch, maps


class Proposer:
    """Turns maps into proposals of whole videos, batch by batch.

    A video that spans several batches is held back until it is complete: the candidates of all its windows are
    suppressed together, because overlapping windows find the same segments.

    Args:
        subset: the source of the batches, the windows of each video contiguous
            (:func:`bmn.data.batches.video_batches`).
        settings: how candidates are scored and suppressed.
    """

    def __init__(self, subset: Subset, settings: ProposalSettings) -> None:
        self.found: dict[str, Floats] = {}
        self._all_windows, self._durations, self._settings = subset.store.windows, subset.durations(), settings
        self._candidates: list[Candidates] = []
        self._windows: list[Window] = []

    def add(self, batch: Batch, maps: Maps) -> None:
        """Add the maps of a batch, and select the proposals of videos that are complete."""
        windows = self._all_windows
        self._candidates.append(decode(*(tensor.numpy() for tensor in maps)))
        self._windows += [windows[row] for row in batch.rows]
        following = int(batch.rows[-1]) + 1
        if following == len(windows) or windows[following].video != self._windows[-1].video:
            videos = whole_videos(concatenate(self._candidates), self._windows, self._durations)
            self.found |= select(videos, self._settings)
            self._candidates, self._windows = [], []


def subset_proposals(network: BMN, subset: Subset, settings: ProposalSettings, batch_size: int) -> dict[str, Floats]:
    """The proposals of every video of a subset: by id ``[proposal, 3]`` (start and end in seconds, score), best
    first."""
    proposer = Proposer(subset, settings)
    for batch, maps in network_maps(network, subset, video_batches(subset.store.windows, batch_size)):
        proposer.add(batch, maps)
    return proposer.found
