"""Validated videos and segments, and the two files that hold them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.files import read_json, write_json


@dataclass(frozen=True, order=True, slots=True)
class Segment:
    """An action from ``start`` to ``end`` (seconds)."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Video:
    """A validated video; its segments are sorted, with 0 <= start < end <= duration (seconds)."""

    id: str
    subset: str
    duration: float
    segments: tuple[Segment, ...]


def subset_videos(videos: Iterable[Video], subset: str, source: Path) -> list[Video]:
    """The videos of one subset.

    Raises:
        BmnError: there are none.
    """
    chosen = [video for video in videos if video.subset == subset]
    if not chosen:
        raise BmnError(f"{source}: the subset {subset!r} holds no video; assign some videos to it")
    return chosen


def write_annotations(path: Path, videos: Iterable[Video]) -> None:
    """Write validated videos in PaddleVideo's format; the bytes do not depend on their order."""
    write_json(
        path,
        {
            video.id: {
                "subset": video.subset,
                "duration_second": video.duration,
                "annotations": [_segment_json(segment) for segment in video.segments],
            }
            for video in sorted(videos, key=lambda video: video.id)
        },
    )


def write_ground_truth(path: Path, videos: Iterable[Video]) -> None:
    """Write the ground truth in ActivityNet's official format; the bytes do not depend on the videos' order."""
    database = {
        video.id: {
            "subset": video.subset,
            "duration": video.duration,
            "annotations": [_segment_json(segment) for segment in video.segments],
        }
        for video in sorted(videos, key=lambda video: video.id)
    }
    write_json(path, {"version": "VERSION 1.3", "taxonomy": [], "database": database})


def _segment_json(segment: Segment) -> dict[str, object]:
    return {"segment": [segment.start, segment.end], "label": segment.label}


def read_videos(path: Path) -> list[Video]:
    """Read what :func:`write_annotations` wrote.

    Raises:
        BmnError: the file is missing or has another format.
    """
    match read_json(path):
        case dict(entries):
            return _videos(path, entries, "duration_second")
    raise _not_converted(path)


def read_ground_truth(path: Path) -> list[Video]:
    """Read what :func:`write_ground_truth` wrote.

    Raises:
        BmnError: the file is missing or has another format.
    """
    match read_json(path):
        case {"database": dict(entries)}:
            return _videos(path, entries, "duration")
    raise _not_converted(path)


def _videos(path: Path, entries: dict[str, dict[str, Any]], duration: str) -> list[Video]:
    try:
        return [
            Video(
                name,
                entry["subset"],
                float(entry[duration]),
                tuple(_segment(one["segment"], one["label"]) for one in entry["annotations"]),
            )
            for name, entry in entries.items()
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise _not_converted(path) from error


def _segment(times: list[float], label: str) -> Segment:
    start, end = times
    return Segment(float(start), float(end), label)


def _not_converted(path: Path) -> BmnError:
    return BmnError(f"{path}: was not written by the conversion; run dvc repro --force convert")
