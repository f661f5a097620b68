"""All metrics of the proposals of a subset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmn.data.videos import Video
from bmn.metrics.breakdown import Part, by_length, by_number, what_proposals_are
from bmn.metrics.detection import Classifier, detections, mean_average_precision
from bmn.metrics.intervals import intervals
from bmn.metrics.recall import Recall, proposal_recall

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Assessment:
    """All metrics of the proposals of a subset.

    Attributes:
        recall: the metrics of the ActivityNet challenge.
        intervals: 95 % confidence intervals of its headline, in percent.
        by_length, by_number: its breakdowns.
        kinds: ``[rank, kind]``, the fraction of each kind among the proposals of each rank.
        detection: ``[tIoU]``, mAP in percent; None without a classifier.
    """

    recall: Recall
    intervals: dict[str, tuple[float, float]]
    by_length: list[Part]
    by_number: list[Part]
    kinds: Floats
    detection: Floats | None

    def metrics(self) -> dict[str, float]:
        """The headline, in percent; with a classifier also mAP, averaged over tIoU and at 0.5, 0.75 and 0.95."""
        found = self.recall.headline()
        if self.detection is not None:
            found["mAP"] = float(self.detection.mean())
            for tiou, place in (("0.5", 0), ("0.75", 5), ("0.95", 9)):
                found[f"mAP@{tiou}"] = float(self.detection[place])
        return found


def assess(videos: Sequence[Video], proposals: Mapping[str, Floats], classifier: Classifier | None) -> Assessment:
    """Assess the proposals of a subset.

    Args:
        videos: with their segments.
        proposals: video → ``[proposal, 3]`` (start, end in seconds, score).
        classifier: class scores of the videos, to assess detections as well.

    Raises:
        BmnError: no video has a segment, or a video is missing from the classifier.
    """
    truth = {video.id: [(segment.start, segment.end) for segment in video.segments] for video in videos}
    recall = proposal_recall(truth, proposals)
    detection = None
    if classifier is not None:
        labelled = {video.id: [(one.start, one.end, one.label) for one in video.segments] for video in videos}
        own = {name: rows for name, rows in proposals.items() if name in labelled}
        detection = mean_average_precision(labelled, detections(own, classifier))
    return Assessment(
        recall,
        intervals(recall),
        by_length(recall, truth, {video.id: video.duration for video in videos}),
        by_number(recall),
        what_proposals_are(truth, proposals),
        detection,
    )
