"""Annotation files as the field writes them, told apart by their content and turned into unchecked
entries."""

import csv
import io
import json
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from bmn.data.annotations import Entry
from bmn.errors import BmnError

FORMS = (
    'write it as {"<video>": {"duration_second": 12.5, "subset": "training", '
    '"annotations": [{"segment": [1.0, 2.5], "label": "Archery"}]}} '
    "or as a CSV with the columns video,start,end,label,subset,duration"
)
THUMOS_SUBSETS = {"validation": "training", "test": "validation"}
"""THUMOS-14 has no untrimmed training videos: its validation subset is trained on, its test subset
evaluated."""


def read_annotations(path: Path, subsets: Path | None = None) -> list[Entry]:
    """Read an annotation file in any form that is known here; all times are seconds.

    PaddleVideo, BSN (``anet_anno_action.json``), mmaction2
        ``{"v_...": {"duration_second", "subset", "annotations": [{"segment": [start, end], "label"}]}}``
    ActivityNet's official form, OpenTAD, ActionFormer
        ``{"database": {"<video>": {"duration", "subset", "annotations": [{"segment", "label"}]}}}``;
        where its ``version`` begins with THUMOS, subsets become :data:`THUMOS_SUBSETS`
    CSV
        ``video,start,end,label,subset,duration``, a line a segment; start, end and label are empty on the
        line of a video without segments

    Args:
        path: the annotation file.
        subsets: a CSV with the columns ``video`` and ``subset``, for a file that does not name them itself.

    Returns:
        One entry a video, unchecked: pass them to :func:`bmn.data.annotations.clean`.

    Raises:
        BmnError: a file is missing, unreadable, of no known form, or names a video twice.
    """
    text = _read_text(path)
    subset_of = _read_subsets(subsets) if subsets else {}
    beginning = text.lstrip()[:1]
    if beginning == "<":
        raise BmnError(f"{path}: is a web page, not annotations; download the file itself")
    if beginning not in ("{", "["):
        return _read_csv(path, text, subset_of)
    try:
        content = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise BmnError(f"{path}: is not sound JSON ({error}); mend it or get it again") from error
    match content:
        case {"version": str(version), "database": dict(videos)} if version.lower().startswith("thumos"):
            entries = _read_videos(videos, "duration", subset_of)
            return [replace(entry, subset=THUMOS_SUBSETS.get(str(entry.subset).lower())) for entry in entries]
        case {"database": dict(videos)}:
            return _read_videos(videos, "duration", subset_of)
        case dict(videos) if _has_annotations(videos):
            return _read_videos(videos, "duration_second", subset_of)
    raise BmnError(f"{path}: is in no form that is known here; {FORMS}")


def _has_annotations(videos: dict[str, Any]) -> bool:
    """Judged by the first video: one that lacks a key among good ones is the check's business."""
    first = next(iter(videos.values()), None)
    return isinstance(first, dict) and "annotations" in first


def _read_videos(videos: dict[str, Any], duration: str, subset_of: dict[str, str]) -> list[Entry]:
    entries = []
    for name, video in videos.items():
        video = video if isinstance(video, dict) else {}
        subset = video.get("subset", subset_of.get(name))
        entries.append(Entry(name, subset, video.get(duration), _segments(video.get("annotations"))))
    return entries


def _read_csv(path: Path, text: str, subset_of: dict[str, str]) -> list[Entry]:
    """Lines that contradict each other about a video make two entries of it, which the check refuses."""
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    videos: dict[tuple[str, str | None, str], list[tuple[object, object, object]]] = defaultdict(list)
    try:
        columns = reader.fieldnames or []
        if not {"video", "start", "end", "label", "duration"} <= set(columns):
            raise BmnError(f"{path}: is in no form that is known here; {FORMS}")
        for row in reader:
            if None in row or None in row.values():
                raise BmnError(
                    f"{path}: line {reader.line_num} does not have {len(columns)} fields; "
                    "quote fields that hold commas"
                )
            subset = row.get("subset", subset_of.get(row["video"]))
            segments = videos[row["video"], subset, row["duration"]]
            if row["start"] or row["end"] or row["label"]:
                segments.append((_csv_number(row["start"]), _csv_number(row["end"]), row["label"]))
    except csv.Error as error:
        raise BmnError(f"{path}: is not sound CSV after line {reader.line_num} ({error}); mend it") from error
    return [
        Entry(video, subset, _csv_number(duration), tuple(segments))
        for (video, subset, duration), segments in videos.items()
    ]


def _csv_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _segments(annotations: object) -> tuple[tuple[object, object, object], ...]:
    """``[{"segment": [start, end], "label"}]`` as triples, with None for what is not there."""
    if not isinstance(annotations, list):
        return ((None, None, None),)
    triples: list[tuple[object, object, object]] = []
    for annotation in annotations:
        annotation = annotation if isinstance(annotation, dict) else {}
        match annotation.get("segment"):
            case [start, end]:
                triples.append((start, end, annotation.get("label")))
            case _:
                triples.append((None, None, annotation.get("label")))
    return tuple(triples)


def _read_subsets(path: Path) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(_read_text(path)))
    columns = rows.fieldnames or []
    if not {"video", "subset"} <= set(columns):
        raise BmnError(f"{path}: has the columns {', '.join(columns)} but needs video and subset")
    return {row["video"]: row["subset"] for row in rows}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise BmnError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise BmnError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise BmnError(f"{path}: cannot be read ({error.strerror})") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON allows a key to stand twice, and the last one wins: a video would lose annotations silently."""
    value = dict(pairs)
    if len(value) < len(pairs):
        (name, count), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {name!r} stands {count} times in one object")
    return value
