"""Label maps of a whole batch, in plain Paddle operators, so that they are computed on the network's device.

Paper: section 3.3 (G_c, G_s, G_e). Reference behaviour: PaddleVideo's ``GetMatchMap`` and ``GetVideoLabel``.
"""

import numpy as np
from numpy.typing import NDArray

from bmn.data.windows import FAR_AWAY
from bmn.loss.normalizers import HIT, positive
from bmn.model.paddle import Tensor, paddle


def label_maps(
    segments: NDArray[np.float64], tscale: int, dscale: int, scale_invariant: bool = False
) -> tuple[Tensor, ...]:
    """How well every proposal matches a segment, and how much of every snippet lies near a start or an end.

    The map holds the tIoU with the best segment; the proposal (d, t) spans t / T to (t + d + 1) / T. The region of a
    boundary is 3 / T long and centred on it. Computed in float64 and rounded once, as published, so that a tIoU at a
    threshold of the losses falls on the same side.

    Args:
        segments: ``[batch, segment, 2]``, float64, start and end as fractions of the window, padded by
            :func:`bmn.data.windows.pad`.
        tscale: T, the number of snippets.
        dscale: D <= T, the longest duration in snippets.
        scale_invariant: whether to add the map of :func:`scale_weights`.

    Returns:
        ``gt_iou_map [batch, D, T]`` (0 where d + t >= T), ``gt_start [batch, T]``, ``gt_end [batch, T]``,
        float32 in [0, 1]. A window without segments gets zeros. With ``scale_invariant`` also
        ``weights [batch, D, T]``, float32.
    """
    # Windows differ in their number of segments: drop the padding, except for the first segment of each window, so
    # that every window has a row in the maximum. On the host, because shapes that follow from values on a GPU make the
    # host wait for it.
    real = segments[:, :, 0] > FAR_AWAY
    real[:, 0] = True
    most = int(real.sum(axis=1).max())
    rows = np.cumsum(real.ravel()).reshape(real.shape)[:, :most] - 1  # padding repeats a segment of its window
    start, end = paddle.to_tensor(segments[real]).split(2, axis=1)
    place = paddle.to_tensor(rows.ravel())

    snippet = 1.0 / tscale
    t = paddle.arange(tscale, dtype="float64")
    d = paddle.arange(dscale, dtype="float64").unsqueeze(1)
    left, duration = t * snippet, (d + 1) * snippet
    valid = (t + d < tscale).astype("float32")

    def share(overlap: Tensor, union: Tensor | float) -> Tensor:
        """``[window, segment, …]``: a window with fewer segments than others repeats one."""
        ratio = paddle.nn.functional.relu((overlap / union).astype("float32"))
        return paddle.gather(ratio, place).reshape([len(rows), most, -1])

    def near(boundary: Tensor) -> Tensor:
        reach = 3 * snippet / 2
        high = paddle.minimum(left + snippet, boundary + reach)
        return share(high - paddle.maximum(left, boundary - reach), snippet).max(axis=1)

    flat_left, flat_right = (left + 0 * d).flatten(), (left + duration).flatten()
    flat_duration = (0 * left + duration).flatten()
    # Not the tIoU of bmn.metrics: this one is on Paddle tensors and in the published order of operations.
    overlap = paddle.minimum(flat_right, end) - paddle.maximum(flat_left, start)
    matches = share(overlap, flat_duration - overlap + (end - start))
    labels = matches.max(axis=1).reshape([-1, dscale, tscale]) * valid, near(start), near(end)
    if not scale_invariant:
        return labels
    counts = paddle.to_tensor(real.sum(axis=1, keepdims=True, dtype=np.float32))
    return *labels, scale_weights(matches, counts, valid.flatten()).reshape([-1, dscale, tscale])


def scale_weights(matches: Tensor, counts: Tensor, valid: Tensor) -> Tensor:
    """The weights with which every segment of a window counts the same in the classification loss, however long it is.

    A long segment has many cells with a tIoU above 0.9, a short one a single cell or none. Here the cells that a
    segment matches best share a weight of 1, and all cells that are no hit share one of 1 for every segment of their
    window, which counts as having at least one. Source: Liu et al., TSI, ACCV 2020, section 3.2.

    Args:
        matches: ``[window, segment, cell]``, tIoU; a window with fewer segments than others repeats one.
        counts: ``[window, 1]``, the number of its segments.
        valid: ``[cell]``, 1 where a proposal ends inside the video, else 0.

    Returns:
        ``[window, cell]``: 1 / (hits of the segment) for a hit, the larger one where two segments tie; (segments) /
        (cells without a hit) elsewhere; 0 where not valid.
    """
    matches = matches * valid
    hits = positive(matches, HIT)
    best = matches.max(axis=1)
    its_best = hits * (matches == best.unsqueeze(1)).astype(hits.dtype)
    shares = (its_best / hits.sum(axis=2, keepdim=True).clip(min=1.0)).max(axis=1)
    misses = (1.0 - positive(best, HIT)) * valid
    return shares + misses * (counts / misses.sum(axis=1, keepdim=True).clip(min=1.0))
