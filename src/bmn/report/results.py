"""Files of an evaluation: proposals and detections in ActivityNet's result format."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bmn.base.errors import BmnError
from bmn.base.files import read_json, write_json
from bmn.base.ids import video_id
from bmn.classify.results import labelled_results
from bmn.proposals import Floats, results


def read_proposals(path: Path) -> dict[str, Floats]:
    """Read proposals in ActivityNet's result format: video → ``[proposal, 3]`` (start, end in seconds, score).

    Raises:
        BmnError: the file has another format.
    """
    match read_json(path):
        case {"results": dict(found)}:
            pass
        case _:
            raise BmnError(f'{path}: has no "results"; expected ActivityNet\'s result format')
    proposals = {}
    for video, given in _by_id(path, found).items():
        try:
            rows = np.array([[*each["segment"], each["score"]] for each in given], np.float64).reshape(-1, 3)
        except (TypeError, KeyError, ValueError) as error:
            raise BmnError(
                f'{path}: video {video} has entries other than {{"score": …, "segment": [start, end]}}'
            ) from error
        if not np.isfinite(rows).all():
            raise BmnError(f"{path}: video {video} has a score or time that is not a finite number")
        proposals[video] = rows
    return proposals


def write_proposals(path: Path, proposals: Mapping[str, Floats]) -> None:
    """Write proposals in ActivityNet's result format."""
    found = {video: results(rows) for video, rows in proposals.items()}
    write_json(path, {"version": "VERSION 1.3", "results": found, "external_data": {}}, indent=None)


def write_detections(path: Path, detected: Mapping[str, Mapping[str, Floats]]) -> None:
    """Write detections, class → video → ``[detection, 3]``, in ActivityNet's result format, best first."""
    videos: dict[str, dict[str, Floats]] = {}
    for name, found in detected.items():
        for video, rows in found.items():
            videos.setdefault(video, {})[name] = rows
    listed = {video: labelled_results(found) for video, found in sorted(videos.items())}
    write_json(path, {"version": "VERSION 1.3", "results": listed, "external_data": {}}, indent=None)


def _by_id(path: Path, entries: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, entry in entries.items():
        if (video := video_id(name)) in found:
            raise BmnError(f"{path}: has video {video} twice, with and without v_; keep one")
        found[video] = entry
    return found
