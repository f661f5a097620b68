"""The embedded data set: synthetic features and annotations from a seed, in the same format as ActivityNet's.

It is learnable but not trivial. A video shows a drifting scene, and in it:

- actions: one to eight, of 2 % to 90 % of the video, mostly of one class. Each class activates its own channels, with
  soft onsets and offsets, and its annotated boundaries are slightly noisy;
- distractors: they share half of a class's pattern but are not actions and are not annotated;
- the class ``returning``, whose appearance alone is uninformative: it is an action only some time after its cue;
  without the cue the same appearance is a distractor.

Every video has its own gain and noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bmn.base.files import atomic_file, write_json

CLASSES = ("climbing", "drumming", "juggling", "mowing", "paddling", "sweeping", "returning")
RETURNING = CLASSES.index("returning")
FRAMES_PER_SNIPPET = 16
FRAMES_PER_SECOND = 25.0

SHORTEST, LONGEST = 0.02, 0.9
"""Length of an action, as a fraction of its video."""
ACTION, SCENE, CUE = 7.0, 3.0, 8.0
"""Norms of the patterns in the features; the noise has a standard deviation of about 1 per channel."""
CARELESSNESS = 0.035
"""Standard deviation of the error of an annotated boundary, as a fraction of the action."""


@dataclass(frozen=True)
class _World:
    """Patterns shared by all videos, each of norm 1.

    Attributes:
        classes: ``[class, channel]``.
        disguises: ``[class, channel]``, the half of a distractor that is not that of an action.
        scenes: ``[scene, channel]``.
        cue: ``[channel]``.
    """

    classes: NDArray[np.float64]
    disguises: NDArray[np.float64]
    scenes: NDArray[np.float64]
    cue: NDArray[np.float64]


@dataclass(frozen=True)
class _Event:
    """Something visible from ``start`` to ``end`` (fractions of the video); an action if it has a label."""

    start: float
    end: float
    pattern: NDArray[np.float64]
    label: str | None = None


def make_synthetic(
    folder: Path, *, seed: int, videos: Mapping[str, int], feat_dim: int = 400, tscale: int = 100
) -> None:
    """Write ``annotations.json`` in PaddleVideo's format, and ``features/<video>.npy`` for each video.

    Args:
        feat_dim, tscale: the features are ``[tscale, feat_dim]``, float32.
        seed: determines everything; a video depends only on the seed, its subset and its number.
        videos: the number of videos in each subset.

    Raises:
        BmnError: the folder cannot be written.
    """
    world = _make_world(np.random.default_rng([seed]), feat_dim)
    annotations = {}
    for subset, count in videos.items():
        for number in range(count):
            name = f"v_{subset}_{number:05d}"
            rng = np.random.default_rng([seed, number, *subset.encode()])
            events = _plan_video(rng, world)
            with atomic_file(folder / "features" / f"{name}.npy") as path:
                np.save(path, _render(rng, world, events, tscale))
            annotations[name] = _annotate(rng, events, subset)
    write_json(folder / "annotations.json", annotations)


def _make_world(rng: Generator, channels: int) -> _World:
    def patterns(count: int) -> NDArray[np.float64]:
        lit = rng.random((count, channels)) < 0.15
        lit[:, :2] = True  # no pattern may be empty, however few channels there are
        pattern: NDArray[np.float64] = lit * rng.normal(size=(count, channels))
        pattern /= np.linalg.norm(pattern, axis=1, keepdims=True)
        return pattern

    return _World(patterns(len(CLASSES)), patterns(len(CLASSES)), patterns(20), patterns(1)[0])


def _plan_video(rng: Generator, world: _World) -> list[_Event]:
    """Actions in sequence, a cue before those that need one, and distractors in the gaps."""
    usual, other = rng.choice(len(CLASSES), size=2, replace=False)
    events: list[_Event] = []
    gap_start = 0.0
    for start, end in _place_actions(rng):
        kind = int(usual if rng.random() < 0.85 else other)
        gap_end = start
        if kind == RETURNING and start - gap_start < 0.06:
            kind = int(rng.integers(RETURNING))  # no room for a cue
        elif kind == RETURNING:
            gap_end = start - rng.uniform(0.06, min(0.25, start - gap_start))
            events.append(_Event(gap_end, gap_end + 0.03, world.cue * CUE))
        events += _distractor(rng, world, gap_start, gap_end)
        strength = ACTION * rng.uniform(0.6, 1.3)
        events.append(_Event(start, end, world.classes[kind] * strength, CLASSES[kind]))
        gap_start = end
    return events + _distractor(rng, world, gap_start, 1.0)


def _distractor(rng: Generator, world: _World, start: float, end: float) -> list[_Event]:
    """At most one distractor, somewhere in a gap."""
    if end - start < 0.08 or rng.random() < 0.4:
        return []
    length = (end - start) * rng.uniform(0.3, 0.8)
    begin = rng.uniform(start, end - length)
    kind = rng.integers(len(CLASSES))
    pattern = world.classes[kind]
    if kind != RETURNING:
        pattern = (pattern + world.disguises[kind]) / np.sqrt(2)
    return [_Event(begin, begin + length, pattern * ACTION)]


def _place_actions(rng: Generator) -> list[tuple[float, float]]:
    """Start and end (fractions of the video) of one to eight non-overlapping actions."""
    if rng.random() < 0.7:
        lengths = np.array([rng.uniform(SHORTEST, LONGEST) ** 0.8])
    else:
        count = 1 + min(int(rng.geometric(0.45)), 7)
        lengths = rng.uniform(0.3, 0.85) * rng.dirichlet(np.full(count, 3.0))
    lengths = np.clip(lengths, SHORTEST, LONGEST)
    gaps = (1 - lengths.sum()) * rng.dirichlet(np.ones(len(lengths) + 1))
    starts = np.cumsum(gaps)[:-1] + np.cumsum(lengths) - lengths
    return [(float(start), float(start + length)) for start, length in zip(starts, lengths, strict=True)]


def _render(rng: Generator, world: _World, events: list[_Event], tscale: int) -> NDArray[np.float32]:
    """The features of a video: ``[tscale, channel]``."""
    time = (np.arange(tscale) + 0.5) / tscale
    channels = world.cue.shape[0]
    features = np.zeros((tscale, channels))

    cuts = np.sort(rng.random(rng.integers(0, 4)))
    shot = np.searchsorted(cuts, time)
    for number in range(len(cuts) + 1):
        scene = world.scenes[rng.integers(len(world.scenes))]
        drift = 1 + 0.5 * np.sin(2 * np.pi * (rng.uniform(0.5, 3) * time + rng.random()))
        features += SCENE * np.outer((shot == number) * drift, scene)

    for event in events:
        rise, fall = rng.uniform(0.6, 2.4, size=2) / tscale
        shown = 0.25 * (1 + np.tanh((time - event.start) / rise)) * (1 + np.tanh((event.end - time) / fall))
        texture = 1 + 0.25 * _smooth_noise(rng, (tscale, 1))
        features += shown[:, None] * texture * event.pattern

    noise = 0.8 * rng.normal(size=features.shape) + 0.6 * _smooth_noise(rng, features.shape)
    features += rng.uniform(0.7, 1.3) * noise
    features *= np.exp(rng.normal(0, 0.25))
    return features.astype(np.float32)


def _smooth_noise(rng: Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Noise of standard deviation 1, autocorrelated along the first axis."""
    noise = rng.normal(size=shape)
    for before, now in pairwise(noise):
        now *= 0.6
        now += 0.8 * before
    return noise


def _annotate(rng: Generator, events: list[_Event], subset: str) -> dict[str, object]:
    """A video's entry in PaddleVideo's format; boundaries are off by a few percent of the action."""
    duration = round(rng.uniform(20, 235), 2)
    frames = round(duration * FRAMES_PER_SECOND)
    annotations = []
    for event in events:
        if event.label is None:
            continue
        off = rng.normal(0, CARELESSNESS * (event.end - event.start), size=2)
        start, end = np.clip((event.start + off[0], event.end + off[1]), 0, 1)
        segment = [round(float(start) * duration, 3), round(float(end) * duration, 3)]
        annotations.append({"segment": segment, "label": event.label})
    return {
        "duration_second": duration,
        "duration_frame": frames,
        "feature_frame": frames - frames % FRAMES_PER_SNIPPET,
        "subset": subset,
        "annotations": annotations,
    }
