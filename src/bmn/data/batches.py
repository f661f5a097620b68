"""Which windows form a batch, and batches read ahead in a thread.

The order is a pure function of (seed, epoch), so a run can resume at any batch and be shared among any number of
processes without further state.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.prefetch import prefetch
from bmn.data.store import FeatureStore
from bmn.data.videos import Video
from bmn.data.windows import Window, fractions, pad


@dataclass(frozen=True)
class Batch:
    """The input of the network and the losses for some windows.

    Attributes:
        rows: ``[batch]``, the rows of the store.
        features: ``[batch, channel, snippet]``, float32.
        segments: ``[batch, segment, 2]``, float64, fractions of the window, padded
            (:func:`bmn.data.windows.pad`).
    """

    rows: NDArray[np.int64]
    features: NDArray[np.float32]
    segments: NDArray[np.float64]


def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The shuffled order of ``count`` windows in an epoch: ``[count]``."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def training_batches(
    seed: int, epoch: int, count: int, batch_size: int, rank: int = 0, ranks: int = 1
) -> list[NDArray[np.int64]]:
    """The rows that one process takes from every global batch of an epoch.

    An incomplete last batch is dropped, as in the published recipe. Batches do not depend on the number of processes;
    process r takes the r-th of ``ranks`` even parts of each. To resume at batch b, skip the first b.

    Raises:
        BmnError: there are fewer windows than ``batch_size``, or fewer windows in a batch than processes.
    """
    if count < batch_size:
        raise BmnError(
            f"the training subset holds {count} windows, fewer than one batch of {batch_size}; "
            "lower the batch size or add videos"
        )
    if batch_size < ranks:
        raise BmnError(f"a batch of {batch_size} cannot be shared by {ranks} processes; raise the batch size")
    whole = epoch_order(seed, epoch, count)[: count - count % batch_size]
    return [np.array_split(batch, ranks)[rank] for batch in whole.reshape(-1, batch_size)]


def ordered_batches(count: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Every row once and in order, for evaluation; the last batch may be shorter."""
    rows = np.arange(count)
    return [rows[first : first + batch_size] for first in range(0, count, batch_size)]


def video_batches(windows: Sequence[Window], batch_size: int, rank: int = 0, ranks: int = 1) -> list[NDArray[np.int64]]:
    """:func:`ordered_batches`, distributed so that one process gets all windows of a video, in order.

    Args:
        windows: of all rows, those of each video contiguous.
    """
    shares: list[list[NDArray[np.int64]]] = [[]]
    for rows in ordered_batches(len(windows), batch_size):
        if shares[-1] and windows[rows[0]].video != windows[rows[0] - 1].video:
            shares.append([])
        shares[-1].append(rows)
    return [rows for share in shares[rank::ranks] for rows in share]


def row_segments(store: FeatureStore, videos: Iterable[Video]) -> list[NDArray[np.float64]]:
    """The segments in each row's window: ``[segment, 2]``, fractions of the window.

    Raises:
        BmnError: the store holds a video that is not among ``videos``.
    """
    by_id = {video.id: video for video in videos}
    missing = [window.video for window in store.windows if window.video not in by_id]
    if missing:
        raise BmnError(f"{store.path}: has no annotations for {missing[0]}; run the conversion again")
    return [fractions(by_id[window.video].segments, window, store.inside) for window in store.windows]


def load_batches(
    store: FeatureStore,
    segments: Sequence[NDArray[np.float64]],
    batches: Iterable[NDArray[np.int64]],
    ahead: int = 2,
) -> Iterator[Batch]:
    """Read batches of rows in the background.

    Args:
        segments: of each row of the store (:func:`row_segments`).
        batches: the rows of each batch.
        ahead: how many batches are kept ready.

    Raises:
        BmnError: features are damaged; the message names the video.
    """

    def load(rows: NDArray[np.int64]) -> Batch:
        return Batch(rows, store.read(rows), pad([segments[row] for row in rows]))

    return prefetch(load, batches, ahead)
