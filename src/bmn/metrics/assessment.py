"""All metrics of the proposals of a subset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmn.data.videos import Video
from bmn.metrics.breakdown import LENGTHS, Part, by_length, by_number, what_proposals_are
from bmn.metrics.confusion import confusion
from bmn.metrics.detection import Detection, assess_detections
from bmn.metrics.intervals import VideoResults, intervals, video_results
from bmn.metrics.recall import Recall, proposal_recall

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Assessment:
    """All metrics of the proposals of a subset.

    Attributes:
        videos: their number.
        recall: the metrics of the ActivityNet challenge.
        by_video: what each video contributes to them.
        intervals: 95 % confidence intervals of the headline, in percent.
        by_length, by_number: its breakdowns.
        kinds: ``[rank, kind]``, the fraction of each kind among the proposals of each rank.
        detection: the metrics of labelled detections; None without labels.
        confusion: see :func:`bmn.metrics.confusion.confusion`; None without labels.
    """

    videos: int
    recall: Recall
    by_video: VideoResults
    intervals: dict[str, tuple[float, float]]
    by_length: list[Part]
    by_number: list[Part]
    kinds: Floats
    detection: Detection | None
    confusion: tuple[list[str], NDArray[np.intp]] | None

    def metrics(self) -> dict[str, float]:
        """The headline, in percent; with detections their mAP too."""
        return self.recall.headline() | (self.detection.metrics() if self.detection else {})

    def of_short(self) -> dict[str, float]:
        """``AR@100_short``: AR@100, in percent, of segments of at most a tenth of their video; empty without any."""
        short = self.by_length[: LENGTHS.index(0.1)]
        number = sum(part.segments for part in short)
        recalled = sum(part.segments * part.average_recall for part in short if part.average_recall is not None)
        return {"AR@100_short": recalled / number} if number else {}


def assess(
    videos: Sequence[Video],
    proposals: Mapping[str, Floats],
    detected: Mapping[str, Mapping[str, Floats]] | None = None,
) -> Assessment:
    """Assess the proposals of a subset.

    Args:
        videos: with their segments.
        proposals: video → ``[proposal, 3]`` (start, end in seconds, score).
        detected: class → video → ``[detection, 3]``, to assess detections as well.

    Raises:
        BmnError: no video has a segment.
    """
    truth = {video.id: [(segment.start, segment.end) for segment in video.segments] for video in videos}
    labelled = {video.id: [(one.start, one.end, one.label) for one in video.segments] for video in videos}
    recall = proposal_recall(truth, proposals)
    by_video = video_results(recall)
    detection = assess_detections(labelled, detected) if detected is not None else None
    return Assessment(
        len(videos),
        recall,
        by_video,
        intervals(by_video) | (detection.intervals() if detection else {}),
        by_length(recall, truth, {video.id: video.duration for video in videos}),
        by_number(recall),
        what_proposals_are(truth, proposals),
        detection,
        confusion(labelled, detected) if detected is not None else None,
    )
