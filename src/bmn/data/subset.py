"""One subset of the converted data: its packed features and their segments."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmn.data.batches import row_segments
from bmn.data.store import FeatureStore, open_store
from bmn.data.videos import Video, read_ground_truth, read_videos, subset_videos


@dataclass(frozen=True)
class Subset:
    """A subset, ready for training or evaluation.

    Attributes:
        store: the packed features.
        videos: its videos, by id.
        segments: of each row of the store: ``[segment, 2]``, fractions of the window.
        ground_truth: what evaluation compares with.
    """

    store: FeatureStore
    videos: dict[str, Video]
    segments: list[NDArray[np.float64]]
    ground_truth: list[Video]

    @cached_property
    def digest(self) -> str:
        """A checksum of the content: 16 hexadecimal digits over features, windows, videos and ground truth, and over
        what part of a segment its windows must hold."""
        videos = [[asdict(video) for video in part] for part in (self.videos.values(), self.ground_truth)]
        content: list[object] = [self.store.sha256, [asdict(window) for window in self.store.windows], videos]
        content += [self.store.inside] if self.store.inside else []
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def first(self, rows: int) -> "Subset":
        """The first videos: as many as fill so many rows of the store."""
        chosen: list[str] = []
        count = 0
        for name, own in self.rows_by_video().items():
            if count < rows:
                chosen.append(name)
                count += len(own)
        store = replace(self.store, windows=self.store.windows[:count], array=self.store.array[:count])
        truth = [video for video in self.ground_truth if video.id in chosen]
        return Subset(store, {name: self.videos[name] for name in chosen}, self.segments[:count], truth)

    def durations(self) -> dict[str, float]:
        """The duration of each video, by id, in seconds."""
        return {name: video.duration for name, video in self.videos.items()}

    def rows_by_video(self) -> dict[str, list[int]]:
        """The rows of the store that show each video, by id, in the order of the store."""
        found: dict[str, list[int]] = {}
        for row, window in enumerate(self.store.windows):
            found.setdefault(window.video, []).append(row)
        return found

    def truth(self) -> dict[str, list[tuple[float, float]]]:
        """The ground-truth segments of each video, by id: (start, end) in seconds."""
        return {video.id: [(one.start, one.end) for one in video.segments] for video in self.ground_truth}


def open_subset(folder: Path, name: str) -> Subset:
    """Open a subset of the converted data.

    Args:
        folder: the conversion's output.
        name: training, validation or testing.

    Raises:
        BmnError: a file is missing or damaged, or the subset is empty.
    """
    source, truth = folder / "annotations.json", folder / "ground_truth.json"
    videos = subset_videos(read_videos(source), name, source)
    counted = subset_videos(read_ground_truth(truth), name, truth)
    store = open_store(folder, name)
    return Subset(store, {video.id: video for video in videos}, row_segments(store, videos), counted)
