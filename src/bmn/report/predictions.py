"""Figures of predictions."""

from itertools import islice
from pathlib import Path

import numpy as np

from bmn.base.files import atomic_file
from bmn.data.videos import Video
from bmn.predict.outputs import Results
from bmn.report.figures import timelines

DRAWN = 40  # files


def save_timelines(path: Path, results: Results) -> None:
    """Save timelines of the first files' best proposals as a PNG."""
    shown = list(islice(results, DRAWN))
    videos = [Video(item.path, "testing", item.duration, ()) for item, _ in shown]
    rows = [np.array([[*each["segment"], each["score"]] for each in found]).reshape(-1, 3) for _, found in shown]
    with atomic_file(path) as temporary:
        timelines(videos, rows).savefig(temporary, dpi=110)
