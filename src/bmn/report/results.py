"""Files of proposals, in ActivityNet's result form."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bmn.base.errors import BmnError
from bmn.base.files import read_json, write_json
from bmn.proposals import Floats, results


def read_proposals(path: Path) -> dict[str, Floats]:
    """Read proposals in ActivityNet's result form: video → ``[proposal, 3]`` (start, end in seconds, score).

    Raises:
        BmnError: the file is not of that form.
    """
    match read_json(path):
        case {"results": dict(found)}:
            pass
        case _:
            raise BmnError(f'{path}: has no "results"; ActivityNet\'s result form is expected')
    proposals = {}
    for video, given in found.items():
        try:
            rows = np.array([[*each["segment"], each["score"]] for each in given], np.float64).reshape(-1, 3)
        except (TypeError, KeyError, ValueError) as error:
            raise BmnError(
                f'{path}: video {video} has other entries than {{"score": …, "segment": [start, end]}}'
            ) from error
        if not np.isfinite(rows).all():
            raise BmnError(f"{path}: video {video} has a score or time that is not a finite number")
        proposals[str(video)] = rows
    return proposals


def write_proposals(path: Path, proposals: Mapping[str, Floats]) -> None:
    """Write proposals in ActivityNet's result form."""
    found = {video.removeprefix("v_"): results(rows) for video, rows in proposals.items()}
    write_json(path, {"version": "VERSION 1.3", "results": found, "external_data": {}}, indent=None)
