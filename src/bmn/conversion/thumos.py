"""Annotations of THUMOS-14, as its organizers publish them: one text file per class, one line per segment."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from bmn.base.errors import BmnError
from bmn.base.files import read_text
from bmn.conversion.annotations import Entry

SUBSETS = {"validation": "training", "test": "validation"}
"""THUMOS-14 has no untrimmed training videos: by convention its validation subset is used for training, its test
subset for evaluation."""
AMBIGUOUS = "Ambiguous"
"""Not a class: marks where the annotators could not tell. Left out, as in OpenTAD."""

_LINE = re.compile(r"(video_(validation|test)_\d+)\s+(\S+)\s+(\S+)")


def find_texts(folder: Path) -> list[Path]:
    """The files ``<class>_val.txt`` and ``<class>_test.txt`` in a folder and below it."""
    return sorted(path for path in folder.rglob("*.txt") if path.stem.endswith(("_val", "_test")))


def read_texts(paths: list[Path], about: Mapping[str, Mapping[str, str]]) -> list[Entry]:
    """Read ``BaseballPitch_val.txt`` and its like, with lines such as ``video_validation_0000266  72.8  76.4``.

    Args:
        paths: from :func:`find_texts`; the name of a file gives the label.
        about: what is known of the videos, by id; a duration is in ``seconds``, since these files have none.

    Returns:
        One entry per video; the name of a video gives its subset.

    Raises:
        BmnError: a line is of another form.
    """
    segments: dict[str, list[tuple[object, object, object]]] = defaultdict(list)
    for path in paths:
        label = path.stem.rpartition("_")[0]
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if not line.strip():
                continue
            if (found := _LINE.fullmatch(line.strip())) is None:
                raise BmnError(
                    f"{path}: line {number} is {line[:60]!r}; it should be like video_test_0000004 12.3 45.6"
                )
            rows = segments[found[1]]
            if label != AMBIGUOUS:
                rows.append((_seconds(found[3]), _seconds(found[4]), label))
    return [
        Entry(video, SUBSETS[video.split("_")[1]], _seconds(about.get(video, {}).get("seconds")), tuple(rows))
        for video, rows in segments.items()
    ]


def _seconds(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text
