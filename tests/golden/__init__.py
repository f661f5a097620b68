"""Golden values: figures of the published code, and what they were computed from. README.md says how."""

import hashlib
import json
import lzma
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent

PARAMETERS = {
    "b_conv1.weight": [256, 100, 3],
    "b_conv1.bias": [256],
    "b_conv2.weight": [256, 64, 3],
    "b_conv2.bias": [256],
    "ts_conv1.weight": [256, 64, 3],
    "ts_conv1.bias": [256],
    "ts_conv2.weight": [1, 256, 1],
    "ts_conv2.bias": [1],
    "te_conv1.weight": [256, 64, 3],
    "te_conv1.bias": [256],
    "te_conv2.weight": [1, 256, 1],
    "te_conv2.bias": [1],
    "p_conv1.weight": [128, 256, 3],
    "p_conv1.bias": [128],
    "p_conv3d1.weight": [512, 128, 32, 1, 1],
    "p_conv3d1.bias": [512],
    "p_conv2d1.weight": [128, 512, 1, 1],
    "p_conv2d1.bias": [128],
    "p_conv2d2.weight": [128, 128, 3, 3],
    "p_conv2d2.bias": [128],
    "p_conv2d3.weight": [128, 128, 3, 3],
    "p_conv2d3.bias": [128],
    "p_conv2d4.weight": [2, 128, 1, 1],
    "p_conv2d4.bias": [2],
}
"""The published names and shapes at the published sizes."""

LOSS_CASES = {
    "single": 1,
    "batch3": 3,
    "whole_video": 1,
    "high_exceeds_middle": 1,
    "no_cell_above_0.9": 1,
    "no_action": 1,
}
"""Case → videos."""

TIED = (
    "-Lxv663IEaI", "2imjxY43yYM", "5ayMRPi7Lg4", "8Q-P5KEvXN0", "BCRFFkvfB_Q", "EwYgRPVDQWQ", "HpJ2pr0ykqo",
    "JWN0cMm-8ug", "MvZFYjs80Y4", "RseCMmSvcPY", "WCCkmuFrSQ0", "_Wag6CT_0j8", "bfBTnUiGVUo", "f4CSejhkTd8",
    "iB20nDf5yJs", "kTf-Id-lWX8", "not_in_ground_truth", "r97vYbzloD8", "t1urvYx1X_w", "y1IjkACdnfs",
)  # fmt: skip
"""Videos of which the proposals get equal scores."""


def arrays(name):
    """{key: array} of a file."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return dict(file)


def read(name):
    """The content of a file of JSON, compressed (.xz) or not."""
    opened = lzma.open if name.endswith(".xz") else open
    with opened(FOLDER / name, "rt", encoding="utf-8") as file:
        return json.load(file)


class Seeded:
    """Arrays that are the same bits on every machine.

    NumPy has frozen the stream of ``RandomState``, and each number is made with one rounding a step.
    """

    def __init__(self, seed):
        self._draw = np.random.RandomState(seed).random_sample

    def between(self, low, high, shape):
        return (self._draw(shape) * (high - low) + low).astype(np.float32)

    def walk(self, step, shape):
        """Neighbours along the last axis are alike."""
        return np.cumsum((self._draw(shape) - 0.5) * step, axis=-1).astype(np.float32)


def weights():
    """{published name: array}, of a network whose maps are not flat."""
    seeded = Seeded(1)
    found = {}
    for name, shape in PARAMETERS.items():
        bound = np.sqrt(6 / np.prod(shape[1:])) if name.endswith("weight") else 0.1
        found[name] = seeded.between(-bound, bound, shape)
    return found


def feature():
    """A video's features ``[1, channel, snippet]``."""
    return Seeded(2).walk(1, (1, 400, 100))


def uniform(seed=3):
    """What the regression loss draws, for the middle and the low level: ``[2, duration, start]``, in [0, 1)."""
    return Seeded(seed).between(0, 1, (2, 100, 100))


def loss_case(name):
    """(the three outputs, the three label maps, the uniform numbers) of a case."""
    seed, videos = 10 + list(LOSS_CASES).index(name), LOSS_CASES[name]
    seeded = Seeded(seed)
    outputs = [seeded.between(0.02, 0.98, shape) for shape in [(videos, 2, 100, 100), (videos, 100), (videos, 100)]]
    labels = arrays("loss_labels")
    return outputs, [labels[f"{name}/{key}"] for key in ("gt_iou_map", "gt_start", "gt_end")], uniform(100 + seed)


def sampling_matrix(name):
    """A published sampling matrix ``[snippet, bin · duration · start]``, stored as the steps between its non-zeros."""
    stored = arrays("sampling")
    matrix = np.zeros(stored[f"{name}/shape"], np.float32)
    matrix.flat[np.cumsum(stored[f"{name}/step"], dtype=np.int64)] = stored[f"{name}/value"]
    return matrix


def sample(array, most=1000):
    """At most so many entries of an array, evenly spread: what is stored of a gradient."""
    return array.ravel()[:: -(-array.size // most)]


def digest(found):
    """SHA-256 of arrays, one after the other."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in found)).hexdigest()


def digests():
    """What is made from seeds, to tell whether it is still that of which the figures were computed."""
    cases = [loss_case(name) for name in LOSS_CASES]
    return {
        "weights": digest(weights().values()),
        "feature": digest([feature()]),
        "uniform": digest([uniform()]),
        "losses": digest([array for outputs, _, drawn in cases for array in [*outputs, drawn]]),
    }


def ground_truth():
    """{video: [(start, end)]} of the validation videos, real ones."""
    return {
        video: [annotation["segment"] for annotation in entry["annotations"]]
        for video, entry in read("ground_truth.json")["database"].items()
        if entry["subset"] == "validation"
    }


def proposals(case):
    """{video: [(start, end, score)]}; of ``tied``, the scores of some videos are in tenths, so that many are equal."""
    results = read(f"proposals_{'full' if case == 'full' else 'plain'}.json.xz")["results"]
    places = {video: 1 for video in TIED} if case == "tied" else {}
    return {
        video: [(*each["segment"], round(each["score"], places.get(video, 9))) for each in found]
        for video, found in results.items()
    }
