"""``python -m benchmarks.labels``: what is lost to labels, of the evaluation in ``outputs/evaluate``.

The mAP of its detections, and of its proposals with the true label of the segment that each overlaps most.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import table
from bmn.base.files import read_json
from bmn.base.params import load_params
from bmn.data.subset import open_subset
from bmn.data.videos import Video
from bmn.metrics.assessment import assess
from bmn.metrics.tiou import tiou
from bmn.report.results import read_proposals

EVALUATE = Path("outputs/evaluate")
METRICS = ("mAP", "mAP@0.5", "mAP@0.75", "mAP@0.3-0.7")
Found = dict[str, dict[str, NDArray[np.float64]]]  # class → video → [detection, 3]


def with_true_labels(videos: Sequence[Video], proposals: Mapping[str, NDArray[np.float64]]) -> Found:
    """Label every proposal ``[proposal, 3]`` as the segment that it overlaps most."""
    found: Found = {}
    for video in videos:
        rows = proposals[video.id]
        segments = np.array([(one.start, one.end) for one in video.segments])
        nearest = tiou(rows[:, :1], rows[:, 1:2], segments[:, 0], segments[:, 1]).argmax(axis=1)
        labels = np.array([one.label for one in video.segments])[nearest]
        for label in np.unique(labels):
            found.setdefault(str(label), {})[video.id] = rows[labels == label]
    return found


def ours(path: Path) -> Found:
    """Read detections in ActivityNet's result format."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for video, given in read_json(path)["results"].items():
        for each in given:
            found.setdefault(each["label"], {}).setdefault(video, []).append([*each["segment"], each["score"]])
    return {label: {video: np.array(rows) for video, rows in by.items()} for label, by in found.items()}


def main() -> None:
    """Print both."""
    videos = open_subset(Path("data/processed"), load_params().evaluate.subset).ground_truth
    proposals = read_proposals(EVALUATE / "proposals.json")
    both = {
        "our labels": ours(EVALUATE / "detections.json"),
        "true labels": with_true_labels(videos, proposals),
    }
    rows = []
    for name, found in both.items():
        assessment = assess(videos, proposals, found)
        metrics, intervals = assessment.metrics(), assessment.intervals
        rows.append(
            (name, *(f"{metrics[key]:.2f} [{intervals[key][0]:.2f}, {intervals[key][1]:.2f}]" for key in METRICS))
        )
    print(table(("labels", *METRICS), rows))


if __name__ == "__main__":
    main()
