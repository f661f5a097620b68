"""The search for proposal parameters of a trained network, tried on candidates that are decoded once.

The videos are split in two by their ids, always in the same way. Parameters are searched on one part; the figure that
is reported comes from the other, so that it is not one that was searched for.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.base.schema import Dimension
from bmn.metrics import Recall, proposal_recall
from bmn.proposals import ProposalSettings, VideoCandidates, select
from bmn.tuning.space import at, place_of

SEARCHED_ON = 200  # videos at most: more make a search slower and hardly better
FACTOR = 2  # standard errors that a gain must exceed


@dataclass(frozen=True)
class Decoded:
    """The candidates of some videos, and what they are to find.

    Attributes:
        candidates: of whole videos.
        truth: the segments of every video, by id: (start, end) in seconds.
    """

    candidates: VideoCandidates
    truth: Mapping[str, list[tuple[float, float]]]

    def auc(self, settings: ProposalSettings) -> float:
        """The AUC, in percent, of the proposals that some settings give."""
        return self.recall(settings).auc

    def recall(self, settings: ProposalSettings) -> Recall:
        """How good the proposals are that some settings give."""
        return proposal_recall(self.truth, select(self.candidates, settings))

    def split(self) -> tuple["Decoded", "Decoded"]:
        """The part to search on (half of the videos, at most ``SEARCHED_ON``) and the part to report on."""
        return self.parts(min(len(self.candidates.videos) // 2, SEARCHED_ON))

    def parts(self, count: int) -> tuple["Decoded", "Decoded"]:
        """``count`` of the videos, or all if there are fewer, and the others."""
        videos = self.candidates.videos
        order = sorted(range(len(videos)), key=lambda row: hashlib.sha256(videos[row].encode()).digest())
        chosen = np.zeros(len(order), np.bool_)
        chosen[order[:count]] = True
        return self._of(chosen), self._of(~chosen)

    def _of(self, chosen: NDArray[np.bool_]) -> "Decoded":
        candidates = self.candidates.of(chosen)
        return Decoded(candidates, {video: self.truth[video] for video in candidates.videos})


@dataclass(frozen=True)
class Gain:
    """What a search gains on videos that it did not see.

    Attributes:
        before: AUC of the current settings, in percent.
        after: AUC of those that were found on other videos, in percent.
        error: standard error of the difference over the videos, in percent.
    """

    before: float
    after: float
    error: float

    @property
    def significant(self) -> bool:
        """Whether the gain exceeds ``FACTOR`` standard errors."""
        return self.after - self.before > FACTOR * self.error


def find(
    decoded: Decoded, dimensions: Mapping[str, Dimension], current: ProposalSettings, evaluations: int
) -> ProposalSettings:
    """The best settings for ``proposals.*``, where :func:`cross_validate` finds that a search gains; else the current
    ones.

    Args:
        dimensions: what is varied, by dotted key.
        evaluations: settings tried, in each of the three searches.
    """
    gain = cross_validate(decoded, dimensions, current, evaluations)
    return search(decoded.auc, dimensions, current, evaluations)[0] if gain.significant else current


def cross_validate(
    decoded: Decoded, dimensions: Mapping[str, Dimension], current: ProposalSettings, evaluations: int
) -> Gain:
    """What a search gains on other videos: each half of them is searched, what it finds is tried on the other half.

    Of many settings tried on few videos the best is partly the luckiest, so the gain on the videos that were searched
    says little.
    """
    halves = decoded.split()
    areas, gains, segments = [], [], []
    for searched, other in (halves, halves[::-1]):
        found, _ = search(searched.auc, dimensions, current, evaluations)
        before, after = other.recall(current), other.recall(found)
        areas.append(before.areas)
        gains.append(after.areas - before.areas)
        segments.append(before.segments)
    area, gain, weight = np.concatenate(areas), np.concatenate(gains), np.concatenate(segments)
    # Of a ratio of sums: the error of the gain a segment (Cochran, Sampling Techniques, 6.3), times the segments.
    error = np.sqrt(np.square(gain - gain.sum() / weight.sum() * weight).sum())
    percent = 100 / weight.sum()
    return Gain(percent * area.sum(), percent * (area + gain).sum(), percent * error)


def search(
    auc: Callable[[ProposalSettings], float],
    dimensions: Mapping[str, Dimension],
    current: ProposalSettings,
    evaluations: int,
) -> tuple[ProposalSettings, float]:
    """The best settings found for ``proposals.*`` and their AUC.

    The current settings are tried first. The first half of the others are spread over the space, the second half
    are steps from the best so far, ever smaller. Settings that do not go together are not counted.

    Args:
        auc: what is to be made large.
        dimensions: what is varied, by dotted key.
    """
    rng = np.random.default_rng(0)
    best, best_auc = current, auc(current)
    names = [key.removeprefix("proposals.") for key in dimensions]
    dims = list(dimensions.values())
    place = np.array([place_of(dim, getattr(current, name)) for name, dim in zip(names, dims, strict=True)])
    done = 1
    while done < evaluations:
        progress = done / evaluations
        if progress < 0.5:
            candidate = rng.random(len(dims))
        else:
            candidate = np.clip(place + rng.normal(0, 0.4 * (1 - progress), len(dims)), 0, 1)
        values = {name: at(dim, where) for name, dim, where in zip(names, dims, candidate, strict=True)}
        settings = _combined(current, values)
        if settings is None:
            continue
        done += 1
        found = auc(settings)
        if found > best_auc:
            best, best_auc, place = settings, found, candidate
    return best, best_auc


def _combined(current: ProposalSettings, values: dict[str, Any]) -> ProposalSettings | None:
    """The settings with other values; None where these do not go together."""
    try:
        return ProposalSettings(**(current.model_dump() | values))
    except ValueError:
        return None
