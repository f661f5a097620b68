"""The example that is video: shapes over a moving background that drift, and at times spin, cross or bounce.

When they act is annotated; what else happens is not: the background turns faster, shapes change their colour.
"""

import csv
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from tqdm import tqdm

from bmn.base.files import atomic_folder

WIDTH, HEIGHT, FPS = 160, 120, 12
SHAPES = 3  # a clip
SECONDS = 24, 44  # that a clip lasts
ACTION = 2.5, 9.0  # seconds of an action
GAP = 2.0, 9.0  # seconds between actions
SPEED = {"spin": 1.1, "cross": 0.5, "bounce": 1.2}  # turns, passes, jumps a second

Floats = NDArray[np.float64]
Action = tuple[float, float, str]
"""Start and end in seconds, and what happens."""


def make_clips(folder: Path, seed: int, training: int, validation: int) -> None:
    """Write so many clips ``<subset>_<number>.mp4``, and ``segments.csv`` with what happens in them.

    Args:
        folder: is written whole or not at all.
        seed: everything follows from it; a clip depends on the seed, its subset and its number only.

    Raises:
        BmnError: the folder cannot be written.
    """
    counts = {"training": training, "validation": validation}
    names = [(subset, number) for subset, count in counts.items() for number in range(count)]
    lines: list[tuple[object, ...]] = [("video", "start", "end", "label", "subset")]
    with atomic_folder(folder) as unfinished:
        for subset, number in tqdm(names, desc="rendering", unit="video", disable=None):
            rng = np.random.default_rng([seed, number, *subset.encode()])
            name = f"{subset}_{number:03d}"
            seconds = float(np.round(rng.uniform(*SECONDS), 1))
            actions = _plan(rng, seconds)
            _film(unfinished / f"{name}.mp4", _scene(rng, actions), seconds)
            lines += [(name, f"{start:.2f}", f"{end:.2f}", label, subset) for start, end, label in actions]
        with open(unfinished / "segments.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)


def _plan(rng: Generator, seconds: float) -> list[Action]:
    """Actions one after the other; one at least."""
    actions: list[Action] = []
    at = rng.uniform(*GAP)
    while True:
        end = at + rng.uniform(*ACTION)
        if end > seconds - 0.5:
            return actions
        actions.append((round(at, 2), round(end, 2), str(rng.choice(list(SPEED)))))
        at = end + rng.uniform(*GAP)


def _scene(rng: Generator, actions: list[Action]) -> Callable[[float], NDArray[np.uint8]]:
    """A function from a second to the picture ``[height, width, 3]`` that is shown then."""
    ground = _texture(rng)
    travels, hurry = rng.normal(size=2) * 6, rng.uniform(0, 20)
    place = rng.uniform((30, 35), (WIDTH - 30, HEIGHT - 35), size=(SHAPES, 2))
    drift, phase = rng.normal(size=(SHAPES, 2)) * 4, rng.uniform(0, 2 * np.pi, SHAPES)
    colours, corners = rng.uniform(90, 255, size=(SHAPES, 2, 3)), rng.integers(3, 6, SHAPES)
    sizes, turned_pale = rng.uniform(11, 17, SHAPES), rng.uniform(0, 30, SHAPES)
    actor = [int(rng.integers(SHAPES)) for _ in actions]
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))

    def picture(time: float) -> NDArray[np.uint8]:
        faster = 2.5 * np.clip(time - hurry, 0, 4)  # the background alone hurries for a while: no action
        shift = np.round(travels * (time + faster)).astype(int)
        image = np.roll(ground, shift, axis=(1, 0))[:HEIGHT, :WIDTH].copy()
        for number in range(SHAPES):
            x, y = place[number] + 8 * np.sin(drift[number] * time / 12 + phase[number])
            angle = phase[number]
            for (start, end, label), who in zip(actions, actor, strict=True):
                if start <= time < end and who == number:
                    done = (time - start) * SPEED[label]
                    if label == "spin":
                        angle += 2 * np.pi * done
                    elif label == "cross":
                        x = (x + WIDTH * done) % WIDTH
                    else:
                        y -= 34 * abs(np.sin(np.pi * done))
            colour = colours[number, int(turned_pale[number] < time < turned_pale[number] + 5)]
            image[_inside(columns - x, rows - y, sizes[number], int(corners[number]), angle)] = colour
        return image.astype(np.uint8)

    return picture


def _inside(x: Floats, y: Floats, size: float, corners: int, angle: float) -> NDArray[np.bool_]:
    """Which pixels a regular polygon covers, or with 5 corners a bar."""
    covered: NDArray[np.bool_]
    if corners == 5:
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        covered = (abs(along) < 1.5 * size) & (abs(across) < 0.4 * size)
        return covered
    sides = angle + 2 * np.pi * np.arange(corners) / corners
    covered = np.all([x * np.cos(side) + y * np.sin(side) < size * 0.7 for side in sides], axis=0)
    return covered


def _texture(rng: Generator) -> Floats:
    """A soft pattern of dark colours, larger than a picture, that goes on at its edges where it began."""
    height, width = 2 * HEIGHT, 2 * WIDTH
    rates = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    noise = np.fft.fft2(rng.normal(size=(height, width, 3)), axes=(0, 1)) * np.exp(-((rates / 0.03) ** 2))[:, :, None]
    soft = np.fft.ifft2(noise, axes=(0, 1)).real
    pattern: Floats = np.clip(70 + 30 * soft / soft.std(), 0, 160)
    return pattern


def _film(path: Path, picture: Callable[[float], NDArray[np.uint8]], seconds: float) -> None:
    with av.open(str(path), "w") as container:
        # A constant quantizer: x264's rate control does not give the same bytes twice.
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "threads": "1", "qp": "22"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(round(seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(picture(number / FPS), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
