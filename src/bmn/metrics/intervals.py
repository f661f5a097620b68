"""Confidence intervals: a bootstrap over videos, of figures and of the difference between two."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.metrics.recall import Floats, Recall

RESAMPLES = 1000
TAILS = (2.5, 97.5)  # percent
HEADLINE = (1, 5, 10, 100)


@dataclass(frozen=True)
class VideoResults:
    """What each video contributes to AR@1, AR@5, AR@10, AR@100 and AUC; all that a bootstrap needs.

    Attributes:
        segments: ``[video]``, the number of each video's segments.
        found: by metric, ``[video]``: how many of them are recalled, averaged over what the metric averages over.
    """

    segments: NDArray[np.intp]
    found: Mapping[str, Floats]


@dataclass(frozen=True)
class Difference:
    """How much higher one evaluation's metric is than another's on the same videos, in percent.

    Attributes:
        value: of all videos.
        low, high: the 95 % confidence interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """The difference, its interval, and whether chance may explain it."""
        verdict = "better" if self.low > 0 else "worse" if self.high < 0 else "within chance"
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}] {verdict}"


def video_results(recall: Recall) -> VideoResults:
    """What each video contributes."""
    met = recall.met.mean(axis=1)  # [video, AN]
    found = {f"AR@{number}": met[:, number - 1] for number in HEADLINE}
    return VideoResults(recall.segments, found | {"AUC": recall.areas})


def intervals(results: VideoResults, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % confidence intervals of AR@1, AR@5, AR@10, AR@100 and AUC, in percent.

    They are the 2.5 % and 97.5 % quantiles of a thousand resamples, with replacement, of the videos with segments. The
    fraction of its proposals that each video keeps stays that of the whole subset.

    Args:
        seed: of the resampling.
    """
    draws = _draws(len(results.segments), seed)
    segments = draws @ results.segments
    values = {name: 100 * (draws @ found) / segments for name, found in results.found.items()}
    return {name: tuple(np.percentile(drawn, TAILS).tolist()) for name, drawn in values.items()}


def difference(own: VideoResults, other: VideoResults, metric: str = "AUC", seed: int = 0) -> Difference:
    """How much higher a metric is than another evaluation's on the same videos: a paired bootstrap.

    Both are resampled together, so what makes a video easy or hard for both cancels out.

    Raises:
        BmnError: they are of different videos.
    """
    if not np.array_equal(own.segments, other.segments):
        raise BmnError("the two evaluations are of different videos; a paired comparison needs the same ones")
    gained = 100 * (own.found[metric] - other.found[metric])
    draws = _draws(len(own.segments), seed)
    low, high = np.percentile((draws @ gained) / (draws @ own.segments), TAILS)
    return Difference(float(gained.sum() / own.segments.sum()), float(low), float(high))


def _draws(videos: int, seed: int) -> NDArray[np.int64]:
    """How often each video is in each resample, ``[resample, video]``."""
    return np.random.default_rng(seed).multinomial(videos, np.full(videos, 1 / videos), RESAMPLES)
