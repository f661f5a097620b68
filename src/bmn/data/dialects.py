"""Annotation files as the field writes them, told apart by their content and turned into unchecked entries.

To add a dialect, write one ``_read_...`` function and name it in :func:`read_annotations`.
"""

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

from bmn.data.annotations import Entry
from bmn.errors import BmnError


def read_annotations(path: Path, subsets: Path | None = None) -> list[Entry]:
    """Read an annotation file in any form that is known here.

    PaddleVideo's form
        ``{"v_...": {"duration_second", "subset", "annotations": [{"segment": [start, end], "label"}]}}``,
        seconds.

    Args:
        path: the annotation file.
        subsets: a CSV with the columns ``video`` and ``subset``, for a file that does not name them itself.

    Returns:
        One entry a video, unchecked: pass them to :func:`bmn.data.annotations.clean`.

    Raises:
        BmnError: a file is missing, unreadable, not JSON, of no known form, or names a video twice.
    """
    text = _read_text(path)
    if text.lstrip()[:1] == "<":
        raise BmnError(f"{path}: is a web page, not annotations; download the file itself")
    try:
        content = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise BmnError(f"{path}: is not sound JSON ({error}); mend it or get it again") from error
    if _is_paddlevideo(content):
        return _read_paddlevideo(content, _read_subsets(subsets) if subsets else {})
    raise BmnError(
        f"{path}: is in no form that is known here; write it as "
        '{"<video>": {"duration_second": 12.5, "subset": "training", '
        '"annotations": [{"segment": [1.0, 2.5], "label": "Archery"}]}}'
    )


def _is_paddlevideo(content: object) -> bool:
    """Judged by the first video: one that lacks a key among good ones is the check's business."""
    if not isinstance(content, dict) or not content:
        return False
    first = next(iter(content.values()))
    return isinstance(first, dict) and "annotations" in first


def _read_paddlevideo(content: dict[str, Any], subsets: dict[str, str]) -> list[Entry]:
    entries = []
    for name, video in content.items():
        video = video if isinstance(video, dict) else {}
        entries.append(
            Entry(
                id=name,
                subset=video.get("subset", subsets.get(name)),
                duration=video.get("duration_second"),
                segments=_segments(video.get("annotations")),
            )
        )
    return entries


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
