"""From maps of windows to proposals of whole videos: the one way to get there, in two steps.

:func:`whole_videos` gathers the candidates; :func:`select` scores and suppresses them. A search for better settings
runs the first step once and the second many times; everyone else runs both with :func:`propose`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmn.base.schema import ProposalSettings
from bmn.data.windows import Window
from bmn.proposals.candidates import Candidates, Float32s, Floats, decode, merge
from bmn.proposals.suppression import Proposals, score, soft_nms
from bmn.proposals.voting import vote

Maps = tuple[Float32s, Float32s, Float32s]
"""Confidence map ``[window, 2, D, T]``, start and end probabilities ``[window, T]``."""


@dataclass(frozen=True)
class VideoCandidates:
    """The candidates of whole videos.

    Attributes:
        videos: their ids.
        candidates: in the order of ``videos``.
        units: ``[video]``, the length of one unit of ``candidates`` in seconds.
        durations: ``[video]``, in seconds.
    """

    videos: Sequence[str]
    candidates: Candidates
    units: Floats
    durations: Floats

    def of(self, chosen: NDArray[np.bool_]) -> "VideoCandidates":
        """The candidates of some of the videos; ``chosen`` is a boolean mask."""
        videos = [video for video, is_chosen in zip(self.videos, chosen, strict=True) if is_chosen]
        return VideoCandidates(videos, self.candidates.of(chosen), self.units[chosen], self.durations[chosen])


def whole_videos(candidates: Candidates, windows: Sequence[Window], durations: Mapping[str, float]) -> VideoCandidates:
    """Merge the candidates of windows into those of whole videos.

    Args:
        candidates: of each window, as fractions of it.
        windows: contiguous for each video, and all of the same length within it.
        durations: of each video, in seconds.
    """
    names = [window.video for window in windows]
    starts = np.array([window.start for window in windows])
    units = np.array([window.end for window in windows]) - starts
    first = np.array([at for at, name in enumerate(names) if at == 0 or names[at - 1] != name])
    if len(first) < len(names):
        candidates = merge(candidates, starts / units, first)
    videos = [names[at] for at in first]
    return VideoCandidates(videos, candidates, units[first], np.array([durations[video] for video in videos]))


def select(found: VideoCandidates, settings: ProposalSettings) -> dict[str, Floats]:
    """Score the candidates, suppress those that overlap better ones, and let them vote if ``voting_tiou`` says so.

    Returns:
        By video ``[proposal, 3]``: start and end in seconds, clipped to the video, and score; best first.
    """
    scored = score(found.candidates, settings)
    kept = soft_nms(scored, settings)
    if settings.voting_tiou is not None:
        kept = vote(kept, scored, settings.voting_tiou)
    return dict(zip(found.videos, in_seconds(kept, found.units, found.durations), strict=True))


def in_seconds(proposals: Proposals, units: Floats, durations: Floats) -> list[Floats]:
    """The proposals of each video as rows (start, end, score), in seconds, clipped to the video, best first.

    Args:
        units: ``[video]``, the length of one unit of ``proposals`` in seconds.
        durations: ``[video]``, in seconds.
    """
    starts, ends = (
        np.clip(boundaries * units[:, None], 0.0, durations[:, None])
        for boundaries in (proposals.starts, proposals.ends)
    )
    rows = np.stack([starts, ends, proposals.scores], axis=2)
    return [row[:count] for row, count in zip(rows, proposals.counts, strict=True)]


def propose(
    maps: Maps, windows: Sequence[Window], durations: Mapping[str, float], settings: ProposalSettings
) -> dict[str, Floats]:
    """The proposals of whole videos.

    Overlapping windows find the same segments, so the candidates of all windows of a video are suppressed together.

    Args:
        maps: of each window.
        windows: contiguous for each video, and all of the same length within it.
        durations: of each video, in seconds.
        settings: how candidates are scored and suppressed.

    Returns:
        By video ``[proposal, 3]``: start and end in seconds, and score; best first.

    Raises:
        BmnError: the maps hold NaN, infinite or negative values.
    """
    return select(whole_videos(decode(*maps), windows, durations), settings)
