"""The forms in which a prediction is saved, each written result by result, so that any number fits into memory."""

import csv
import json
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from bmn.base.files import whole_file
from bmn.predict.inputs import Item
from bmn.proposals import Result

Results = Iterable[tuple[Item, list[Result]]]
DRAWN = 40  # files in a picture


def save_json(path: Path, results: Results) -> None:
    """One object, file → proposals: the published form."""
    with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        separator = "{"
        for item, proposals in results:
            file.write(f"{separator}{json.dumps(item.path)}: {json.dumps(proposals)}")
            separator = ",\n"
        file.write("}\n")


def save_csv(path: Path, results: Results) -> None:
    """A line a proposal, best first within a file: file, start and end in seconds, score."""
    with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["file", "start", "end", "score"])
        for item, proposals in results:
            lines.writerows([item.path, *proposal["segment"], proposal["score"]] for proposal in proposals)


def save_picture(path: Path, results: Results) -> None:
    """Timelines of the best proposals of the first files."""
    from bmn.data.videos import Video
    from bmn.report.figures import timelines

    shown = list(islice(results, DRAWN))
    videos = [Video(item.path, "testing", item.duration, ()) for item, _ in shown]
    rows = [np.array([[*each["segment"], each["score"]] for each in found]).reshape(-1, 3) for _, found in shown]
    with whole_file(path) as temporary:
        timelines(videos, rows).savefig(temporary, dpi=110)


FORMATS: dict[str, Callable[[Path, Results], None]] = {"json": save_json, "csv": save_csv, "png": save_picture}
