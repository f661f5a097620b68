"""Segment voting: boundaries that many candidates agree on, instead of those of one of them."""

from dataclasses import replace

import numpy as np

from bmn.proposals.suppression import Proposals


def vote(kept: Proposals, candidates: Proposals, threshold: float) -> Proposals:
    """Move the boundaries of the proposals that were kept to the mean of the candidates around them.

    Every candidate whose tIoU with a kept proposal is at least ``threshold`` counts with its score before suppression;
    order and scores stay. A proposal stays where it is if all scores around it are 0. Source: bounding box voting
    (Gidaris and Komodakis, ICCV 2015), as OpenTAD applies it to segments.

    Args:
        kept: from :func:`bmn.proposals.suppression.soft_nms`.
        candidates: what they were kept from.
        threshold: in (0, 1].
    """
    starts, ends = kept.starts.copy(), kept.ends.copy()
    for video, (count, held) in enumerate(zip(kept.counts, candidates.counts, strict=True)):
        start, end = kept.starts[video, :count, None], kept.ends[video, :count, None]
        near_starts, near_ends = candidates.starts[video, :held], candidates.ends[video, :held]
        shared = np.maximum(np.minimum(end, near_ends) - np.maximum(start, near_starts), 0.0)
        near = shared >= threshold * (end - start + near_ends - near_starts - shared)
        votes = near * candidates.scores[video, :held]
        total = votes.sum(axis=1)
        moved = np.flatnonzero(total)
        starts[video, moved] = (votes[moved] * near_starts).sum(axis=1) / total[moved]
        ends[video, moved] = (votes[moved] * near_ends).sum(axis=1) / total[moved]
    return replace(kept, starts=starts, ends=ends)
