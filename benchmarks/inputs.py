"""Realistic inputs from a fixed seed."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMOOTH = 5  # snippets

Maps = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def random_segments(windows: int, seed: int = 0) -> list[Floats]:
    """Segments of each window, ``[segment, 2]`` in fractions of it: 1.54 on average, as in ActivityNet."""
    draw = np.random.default_rng(seed)
    segments = []
    for count in draw.geometric(1 / 1.54, windows):
        length = draw.uniform(0.02, 0.9, count)
        start = draw.uniform(0, 1 - length)
        segments.append(np.stack([start, start + length], axis=1))
    return segments


def random_proposals(videos: int, proposals: int, seed: int = 0) -> list[Floats]:
    """Proposals of each video, ``[proposal, 3]``: start and end as fractions of it, and score; best first."""
    draw = np.random.default_rng(seed)
    segments = np.sort(draw.random((videos, proposals, 2)), axis=2)
    scores = -np.sort(-draw.random((videos, proposals, 1)), axis=1)
    return list(np.concatenate([segments, scores], axis=2))


def trained_outputs(videos: int, dscale: int, tscale: int, seed: int = 0) -> Maps:
    """Outputs like a trained network's: boundaries peak at a few segments, confidence follows tIoU, and both are noisy.

    The noise is as smooth in time as a network's outputs, since it determines the number of candidates.

    Returns:
        Confidence maps ``[video, 2, dscale, tscale]``, start and end probabilities ``[video, tscale]``.
    """
    draw = np.random.default_rng(seed)
    t, d = np.arange(tscale), np.arange(dscale)[:, None]
    maps = np.full((videos, dscale, tscale), 0.02)
    boundaries = np.full((2, videos, tscale), 0.02)
    for video, segments in enumerate(random_segments(videos, seed)):
        for segment in segments * tscale:
            reach = 1 + 0.08 * (segment[1] - segment[0])
            for side, boundary in enumerate(segment):
                peak = 0.9 * np.exp(-(((t + 0.5 - boundary) / reach) ** 2))
                boundaries[side, video] = np.maximum(boundaries[side, video], peak)
            shared = np.clip(np.minimum(t + d + 1, segment[1]) - np.maximum(t, segment[0]), 0, None)
            tiou = shared / (d + 1 + segment[1] - segment[0] - shared)
            maps[video] = np.maximum(maps[video], tiou**2)

    def noisy(clean: Floats) -> NDArray[np.float32]:
        noise = draw.standard_normal((*clean.shape[:-1], tscale + SMOOTH - 1))
        noise = sliding_window_view(noise, SMOOTH, axis=-1).mean(axis=-1)
        outputs: NDArray[np.float32] = np.clip(clean * np.exp(0.8 * noise), 1e-4, 0.999).astype(np.float32)
        return outputs

    return noisy(np.stack([maps, maps**1.5], axis=1)), noisy(boundaries[0]), noisy(boundaries[1])
