"""Which windows form a batch, and batches that are ready before they are asked for.

Orders are pure functions of (seed, epoch), so a run can be taken up at any batch and shared among any number
of processes without anything to remember.
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
    """Some windows with what the network and the losses need of them.

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

    The last, incomplete batch is left out, as in the published recipe. Batch b is the same whatever the
    number of processes; process r takes the r-th of ``ranks`` even parts of it. To resume at batch b, drop the
    first b.

    Raises:
        BmnError: there are fewer windows than one batch holds, or fewer in a batch than there are processes.
    """
    if count < batch_size:
        raise BmnError(
            f"the training subset holds {count} windows, less than one batch of {batch_size}; "
            "lower the batch size or add videos"
        )
    if batch_size < ranks:
        raise BmnError(f"a batch of {batch_size} cannot be shared by {ranks} processes; raise the batch size")
    whole = epoch_order(seed, epoch, count)[: count - count % batch_size]
    return [np.array_split(batch, ranks)[rank] for batch in whole.reshape(-1, batch_size)]


def ordered_batches(count: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Every row once and in order, for evaluation; processes share whole batches, the last may be shorter."""
    rows = np.arange(count)
    return [rows[first : first + batch_size] for first in range(0, count, batch_size)]


def video_batches(windows: Sequence[Window], batch_size: int, rank: int = 0, ranks: int = 1) -> list[NDArray[np.int64]]:
    """:func:`ordered_batches`, dealt to processes so that all windows of a video come to the same one, in order.

    Args:
        windows: of all rows, those of a video next to each other.
    """
    shares: list[list[NDArray[np.int64]]] = [[]]
    for rows in ordered_batches(len(windows), batch_size):
        if shares[-1] and windows[rows[0]].video != windows[rows[0] - 1].video:
            shares.append([])
        shares[-1].append(rows)
    return [rows for share in shares[rank::ranks] for rows in share]


def row_segments(store: FeatureStore, videos: Iterable[Video]) -> list[NDArray[np.float64]]:
    """For each row of the store the segments in its window: ``[segment, 2]``, fractions of the window.

    Raises:
        BmnError: the store shows a video that is not among ``videos``.
    """
    by_id = {video.id: video for video in videos}
    missing = [window.video for window in store.windows if window.video not in by_id]
    if missing:
        raise BmnError(f"{store.path}: has no annotations for {missing[0]}; run the conversion again")
    return [fractions(by_id[window.video].segments, window) for window in store.windows]


def load_batches(
    store: FeatureStore,
    segments: Sequence[NDArray[np.float64]],
    batches: Iterable[NDArray[np.int64]],
    ahead: int = 2,
) -> Iterator[Batch]:
    """Read batches of rows in the background.

    Args:
        segments: for each row of the store its segments (:func:`row_segments`).
        batches: the rows of each batch.
        ahead: how many batches are kept ready.

    Raises:
        BmnError: features are damaged; the sentence names the video.
    """

    def load(rows: NDArray[np.int64]) -> Batch:
        return Batch(rows, store.read(rows), pad([segments[row] for row in rows]))

    return prefetch(load, batches, ahead)
