"""Label maps of a whole batch, in plain Paddle operators, so that they are computed on the network's device.

Paper: section 3.3 (G_c, G_s, G_e). Reference behaviour: PaddleVideo's ``GetMatchMap`` and ``GetVideoLabel``.
"""

from bmn.data.windows import FAR_AWAY
from bmn.model.paddle import Tensor, paddle


def label_maps(segments: Tensor, tscale: int, dscale: int) -> tuple[Tensor, Tensor, Tensor]:
    """How well every proposal matches a segment, and how much of every snippet lies near a start or an end.

    The map holds the tIoU with the best segment; the proposal (d, t) spans t / T to (t + d + 1) / T. The region of a
    boundary is 3 / T long and centred on it. Computed in float64 and rounded once, as published, so that a tIoU at a
    threshold of the losses falls on the same side.

    Args:
        segments: ``[batch, segment, 2]``, float64, start and end as fractions of the window, padded by
            :func:`bmn.data.windows.pad`.
        tscale: T, the number of snippets.
        dscale: D <= T, the longest duration in snippets.

    Returns:
        ``gt_iou_map [batch, D, T]`` (0 where d + t >= T), ``gt_start [batch, T]``, ``gt_end [batch, T]``,
        float32 in [0, 1]. A window without segments gets zeros.
    """
    snippet = 1.0 / tscale
    t = paddle.arange(tscale, dtype="float64")
    d = paddle.arange(dscale, dtype="float64").unsqueeze(1)
    left, duration = t * snippet, (d + 1) * snippet
    valid = (t + d < tscale).astype("float32")

    # Windows differ in their number of segments: drop the padding, except for the first segment of each window, so
    # that every window has a row in the maximum.
    real = segments[:, :, 0] > FAR_AWAY
    real[:, 0] = True
    place = paddle.nonzero(real)
    window = place[:, 0]
    start, end = paddle.gather_nd(segments, place).split(2, axis=1)

    def best(overlap: Tensor, union: Tensor | float) -> Tensor:
        ratio = paddle.nn.functional.relu((overlap / union).astype("float32"))
        return paddle.geometric.segment_max(ratio, window)

    def near(boundary: Tensor) -> Tensor:
        reach = 3 * snippet / 2
        high = paddle.minimum(left + snippet, boundary + reach)
        return best(high - paddle.maximum(left, boundary - reach), snippet)

    flat_left, flat_right = (left + 0 * d).flatten(), (left + duration).flatten()
    flat_duration = (0 * left + duration).flatten()
    # Not the tIoU of bmn.metrics: this one is on Paddle tensors and in the published order of operations.
    overlap = paddle.minimum(flat_right, end) - paddle.maximum(flat_left, start)
    iou = best(overlap, flat_duration - overlap + (end - start))
    return iou.reshape([-1, dscale, tscale]) * valid, near(start), near(end)
