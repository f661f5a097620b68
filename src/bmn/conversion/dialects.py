"""Readers of common annotation formats, which are detected by content; they return unchecked entries."""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.files import read_text, unique_keys
from bmn.base.ids import video_id
from bmn.conversion import thumos
from bmn.conversion.annotations import SUBSETS, Entry

FORMATS = (
    'write it as {"<video>": {"duration_second": 12.5, "subset": "training", '
    '"annotations": [{"segment": [1.0, 2.5], "label": "Archery"}]}} '
    "or as a CSV with the columns video,start,end,label,subset,duration"
)

# Alternative keys; the first one present counts.
DURATION = ("duration_second", "duration", "seconds")
FRAMES = ("duration_frame", "frame", "frames", "numFrame")
RATE = ("rfps", "fps")
SEGMENT = {  # by unit
    "seconds": ("segment",),
    "frames": ("segment_frames", "segment(frames)"),
    "fractions": ("segment_fractions",),
}
COLUMNS = {
    "seconds": ("start", "end"),
    "frames": ("start_frame", "end_frame"),
    "fractions": ("start_fraction", "end_fraction"),
}
Times = tuple[Any, Any]


def read_annotations(path: Path, subsets: Path | None = None) -> list[Entry]:
    """Read annotations in any supported format; all times are converted to seconds.

    PaddleVideo, BSN (``anet_anno_action.json``), mmaction2
        ``{"v_...": {"duration_second", "subset", "annotations": [{"segment": [start, end], "label"}]}}``
    ActivityNet's official format, HACS, OpenTAD, ActionFormer
        ``{"database": {"<video>": {"duration", "subset", "annotations": [{"segment", "label"}]}}}``;
        if its ``version`` begins with THUMOS, segments marked Ambiguous are left out, and the subsets validation and
        test are mapped by :data:`bmn.conversion.thumos.SUBSETS`
    CSV
        ``video,start,end,label,subset,duration``, one line per segment; start, end and label are empty for a video
        without segments
    a folder
        with one such file per subset, as split by mmaction2: ``..._train.json``, ``..._val.json``. The file name
        gives the subset of entries that have none; files without such a name are ignored
    a folder of THUMOS-14's text files
        :func:`bmn.conversion.thumos.read_texts`

    Times are in seconds, unless named as frames (``segment_frames``, ``segment(frames)``; ``start_frame`` and
    ``end_frame`` in a CSV) or fractions of the video (``segment_fractions``; ``start_fraction``, ``end_fraction``).
    A missing duration is computed as frames / frame rate (``duration_frame``, ``frames``, ``numFrame``; ``rfps``,
    ``fps``), or taken from ``subsets``.

    Args:
        path: the annotation file, or the folder.
        subsets: a CSV with the columns ``video`` and ``subset``, and optionally ``seconds``, for files that lack
            them.

    Returns:
        One entry per video, unchecked: pass them to :func:`bmn.conversion.annotations.clean`.

    Raises:
        BmnError: a file is missing, unreadable, in an unknown format, or names a video twice.
    """
    about = _read_subsets(subsets) if subsets else {}
    if not path.is_dir():
        return _read_file(path, about)
    by_subset = {file: _subset_in(file.stem) for file in sorted(path.iterdir()) if file.suffix in (".json", ".csv")}
    named = {file: subset for file, subset in by_subset.items() if subset}
    if not named and (texts := thumos.find_texts(path)):
        return thumos.read_texts(texts, about)
    if not named:
        raise BmnError(f"{path}: holds no file named after a subset, like annotations_train.json; name a file instead")
    return [
        entry if entry.subset is not None else replace(entry, subset=subset)
        for file, subset in named.items()
        for entry in _read_file(file, about)
    ]


def _subset_in(name: str) -> str | None:
    words = re.split(r"[\W_]+", name.lower())
    return next((SUBSETS[word] for word in reversed(words) if word in SUBSETS), None)


def _read_file(path: Path, about: Mapping[str, dict[str, str]]) -> list[Entry]:
    text = read_text(path)
    beginning = text.lstrip()[:1]
    if beginning == "<":
        raise BmnError(f"{path}: is a web page, not annotations; download the file itself")
    if beginning not in ("{", "["):
        return _read_csv(path, text, about)
    try:
        content = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise BmnError(f"{path}: is not valid JSON ({error}); fix it or download it again") from error
    match content:
        case {"version": str(version), "database": dict(videos)} if version.lower().startswith("thumos"):
            entries = [_unambiguous(entry) for entry in _read_videos(videos, about)]
            if {str(entry.subset).lower() for entry in entries} & {"train", "training"}:
                return entries  # already renamed, as by OpenTAD
            return [replace(entry, subset=thumos.SUBSETS.get(str(entry.subset).lower())) for entry in entries]
        case {"database": dict(videos)}:
            return _read_videos(videos, about)
        case dict(videos) if _has_annotations(videos):
            return _read_videos(videos, about)
    raise BmnError(f"{path}: is in an unknown format; {FORMATS}")


def _unambiguous(entry: Entry) -> Entry:
    return replace(entry, segments=tuple(row for row in entry.segments if row[2] != thumos.AMBIGUOUS))


def _has_annotations(videos: dict[str, Any]) -> bool:
    """Judged by the first video; whether others lack a key is left to validation."""
    first = next(iter(videos.values()), None)
    return isinstance(first, dict) and "annotations" in first


def _read_videos(videos: dict[str, Any], about: Mapping[str, dict[str, str]]) -> list[Entry]:
    entries = []
    for name, video in videos.items():
        facts = _facts(video if isinstance(video, dict) else {}, about.get(video_id(name), {}))
        duration = _duration(facts)
        rows = facts.get("annotations")
        rows = rows if isinstance(rows, list) else [None]
        segments = tuple(_segment(row if isinstance(row, dict) else {}, facts, duration) for row in rows)
        entries.append(Entry(video_id(name), facts.get("subset"), duration, segments))
    return entries


def _facts(video: Mapping[str, Any], about: Mapping[str, str]) -> dict[str, Any]:
    """The facts in an entry, completed by those of another file."""
    return {key: _number(value) for key, value in about.items()} | dict(video)


def _first(facts: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((facts[name] for name in names if facts.get(name) not in (None, "")), None)


def _duration(facts: Mapping[str, Any]) -> object:
    """In seconds, as given (by HACS as text) or computed from frames and frame rate."""
    given, frames, rate = (_first(facts, names) for names in (DURATION, FRAMES, RATE))
    given = _number(given) if isinstance(given, str) else given
    if given is None and _is_number(frames) and _is_number(rate) and rate > 0:
        return frames / rate
    return given


def _segment(row: Mapping[str, Any], facts: Mapping[str, Any], duration: object) -> tuple[object, object, object]:
    """(start, end, label) in seconds, with None for missing values."""
    for unit, names in SEGMENT.items():
        match _first(row, names):
            case [start, end]:
                return *_in_seconds((start, end), unit, facts, duration), row.get("label")
    return None, None, row.get("label")


def _in_seconds(times: Times, unit: str, facts: Mapping[str, Any], duration: Any) -> Times:
    """Times that are not numbers, or cannot be converted, are passed on for validation to report."""
    if unit == "seconds" or not all(_is_number(time) for time in times):
        return times
    frames, rate = _first(facts, FRAMES), _first(facts, RATE)
    scale: Any = None
    if unit == "fractions":
        scale = duration
    elif _is_number(rate) and rate > 0:
        scale = 1 / rate
    elif _is_number(duration) and _is_number(frames) and frames > 0:
        scale = duration / frames
    if not _is_number(scale):
        return f"{unit} {times[0]}", f"{unit} {times[1]}"
    return times[0] * scale, times[1] * scale


def _is_number(value: object) -> bool:
    """A float, or an integer small enough for one."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def _read_csv(path: Path, text: str, about: Mapping[str, dict[str, str]]) -> list[Entry]:
    """Contradictory lines about a video make two entries, which validation refuses."""
    videos: dict[tuple[str, object, object], list[tuple[object, object, object]]] = defaultdict(list)
    for columns, row in _rows(path, text):
        unit = next((unit for unit, names in COLUMNS.items() if set(names) <= columns), None)
        if unit is None or not {"video", "label"} <= columns:
            raise BmnError(f"{path}: is in an unknown format; {FORMATS}")
        video = video_id(row["video"])
        facts = _facts({key: _number(value) for key, value in row.items() if value}, about.get(video, {}))
        duration = _duration(facts)
        segments = videos[video, facts.get("subset"), duration]
        start, end = (_number(row[name]) for name in COLUMNS[unit])
        if start != "" or end != "" or row["label"]:
            segments.append((*_in_seconds((start, end), unit, facts, duration), row["label"]))
    if not videos:
        raise BmnError(f"{path}: is in an unknown format; {FORMATS}")
    return [Entry(*key, tuple(segments)) for key, segments in videos.items()]


def _rows(path: Path, text: str) -> Iterator[tuple[set[str], dict[str, str]]]:
    """The rows of a CSV with a header, each with the set of columns."""
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    try:
        columns = set(reader.fieldnames or [])
        for row in reader:
            if None in row or None in row.values():
                raise BmnError(
                    f"{path}: line {reader.line_num} does not have {len(reader.fieldnames or [])} fields; "
                    "quote fields that hold commas"
                )
            yield columns, row
    except csv.Error as error:
        raise BmnError(f"{path}: is not valid CSV after line {reader.line_num} ({error}); fix it") from error


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _read_subsets(path: Path) -> dict[str, dict[str, str]]:
    """The row of each video in a CSV."""
    about = {}
    for columns, row in _rows(path, read_text(path)):
        if not {"video", "subset"} <= columns:
            raise BmnError(f"{path}: has the columns {', '.join(sorted(columns))} but needs video and subset")
        about[video_id(row["video"])] = row
    if not about:
        raise BmnError(f"{path}: names no video; write a line for each below the header video,subset")
    return about
