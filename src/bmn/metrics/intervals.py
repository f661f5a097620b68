"""Confidence intervals: a bootstrap over videos."""

import numpy as np

from bmn.metrics.recall import Recall

RESAMPLES = 1000
TAILS = (2.5, 97.5)  # percent
HEADLINE = (1, 5, 10, 100)


def intervals(recall: Recall, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % confidence intervals of AR@1, AR@5, AR@10, AR@100 and AUC, in percent.

    They are the 2.5 % and 97.5 % quantiles of a thousand resamples, with replacement, of the videos with segments. The
    fraction of its proposals that each video keeps stays that of the whole subset.

    Args:
        seed: of the resampling.
    """
    videos = len(recall.segments)
    draws = np.random.default_rng(seed).multinomial(videos, np.full(videos, 1 / videos), RESAMPLES)
    segments = draws @ recall.segments
    met = recall.met.mean(axis=1)  # [video, AN]
    values = {f"AR@{number}": 100 * (draws @ met[:, number - 1]) / segments for number in HEADLINE}
    values["AUC"] = 100 * (draws @ recall.areas) / segments
    return {name: tuple(np.percentile(drawn, TAILS).tolist()) for name, drawn in values.items()}
