"""Make this folder's features and segments from the raw files of the public data set; README.md says where they are.

    python data/gestures/make.py RAW [FOLDER]

RAW holds ``a1_raw.csv`` … ``c3_raw.csv``: a line a frame, about 30 a second.
"""

import csv
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 20.0  # snippets a second
SMOOTHING = 0.05  # standard deviation of the Gaussian that positions are smoothed with, seconds
JOINTS = ("lh", "rh", "lw", "rw")  # hands and wrists, left and right
ORIGIN = "s"  # the spine, which they are seen from
PHASES = {
    "Preparation": "preparation",
    "Preparação": "preparation",  # one frame of b1
    "Stroke": "stroke",
    "Hold": "hold",
    "Retraction": "retraction",
}  # and Rest, which is no action
PEOPLE = "abc"

Floats = NDArray[np.float64]


def seconds(timestamp: str) -> float:
    """The time that a timestamp tells: its digits are minutes, seconds and milliseconds (5702026: 57 min 2.026 s)."""
    minutes, rest = divmod(int(timestamp), 100_000)
    return 60 * minutes + rest / 1000


def positions(frames: list[dict[str, str]], joint: str) -> Floats:
    """``[frame, 3]``."""
    return np.array([[float(frame[f"{joint}{axis}"]) for axis in "xyz"] for frame in frames])


def smoothed(values: Floats, times: Floats, at: Floats) -> Floats:
    """Values at other times: weighted means of the frames around, however irregularly these came."""
    weights = np.exp(-(((at[:, None] - times) / SMOOTHING) ** 2) / 2)
    return weights @ values / weights.sum(axis=1, keepdims=True)


def features(frames: list[dict[str, str]], times: Floats) -> NDArray[np.float16]:
    """``[snippet, 32]``: of hands and wrists the position seen from the spine (12), the velocity (12), the speed (4)
    and the size of the acceleration (4), each by its root mean square in the recording."""
    at = (np.arange(int(times[-1] * RATE)) + 0.5) / RATE
    spine = positions(frames, ORIGIN)
    place = np.stack([smoothed(positions(frames, joint) - spine, times, at) for joint in JOINTS])
    velocity = np.gradient(place, 1 / RATE, axis=1)
    acceleration = np.gradient(velocity, 1 / RATE, axis=1)
    place -= np.median(place, axis=1, keepdims=True)
    speed, change = (np.linalg.norm(values, axis=2) for values in (velocity, acceleration))
    channels = np.hstack([*place, *velocity, speed.T, change.T])
    return (channels / np.sqrt(np.mean(channels**2, axis=0))).astype(np.float16)


def segments(frames: list[dict[str, str]], times: Floats, duration: float) -> list[tuple[float, float, str]]:
    """Start, end and class of every run of frames of one phase but Rest."""
    found, first = [], 0
    for phase, run in groupby(PHASES.get(frame["phase"]) for frame in frames):
        after = first + len(list(run))
        if phase:
            found.append((times[first], min(times[after], duration) if after < len(times) else duration, phase))
        first = after
    return found


def main(raw: Path, folder: Path) -> None:
    """Write ``features/<recording>.npz``, ``segments.csv`` and ``without_<person>.csv``."""
    lines = ["video,start,end,label,duration"]
    names = []
    for path in sorted(raw.glob("*_raw.csv")):
        name = path.name.removesuffix("_raw.csv")
        with open(path, encoding="utf-8-sig", newline="") as file:
            frames = list(csv.DictReader(file))
        times = np.array([seconds(frame["timestamp"]) for frame in frames])
        times -= times[0]
        own = features(frames, times)
        duration = len(own) / RATE
        (folder / "features").mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "features" / f"{name}.npz", own)
        lines += [f"{name},{s:.3f},{e:.3f},{label},{duration}" for s, e, label in segments(frames, times, duration)]
        names.append(name)
    (folder / "segments.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for person in PEOPLE:
        subsets = [f"{name},{'validation' if name[0] == person else 'training'}" for name in names]
        (folder / f"without_{person}.csv").write_text("\n".join(["video,subset", *subsets]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent)
