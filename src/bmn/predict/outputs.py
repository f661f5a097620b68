"""Output formats of a prediction, written one result at a time, so that memory does not limit their number."""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from bmn.base.files import atomic_file
from bmn.predict.inputs import Item
from bmn.proposals import Result

Proposal = TypeVar("Proposal", bound=Result)  # or a labelled one
Results = Iterable[tuple[Item, Sequence[Result]]]
Save = Callable[[Path, Results], None]


def rounded(proposals: Iterable[Proposal], duration: float) -> list[Proposal]:
    """Proposals without digits that mean nothing: seconds to the thousandth, scores to the millionth.

    Args:
        duration: of the video, in seconds; 1 stands for segments that are fractions, which keep six digits.
    """
    places, found = 6 if duration == 1 else 3, []
    for proposal in proposals:
        own = proposal.copy()
        own["score"] = round(own["score"], 6)
        own["segment"] = [round(second, places) for second in own["segment"]]
        found.append(own)
    return found


def save_json(path: Path, results: Results) -> None:
    """One object, file → proposals: the published format."""
    with atomic_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        separator = "{"
        for item, proposals in results:
            file.write(f"{separator}{json.dumps(item.path)}: {json.dumps(proposals)}")
            separator = ",\n"
        file.write("}\n")


def save_csv(path: Path, results: Results, labels: bool = False) -> None:
    """One line per result, best first within a file: file, start and end in seconds, score, perhaps label."""
    columns = ("score", "label") if labels else ("score",)
    with atomic_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["file", "start", "end", *columns])
        for item, proposals in results:
            found = rounded(proposals, item.duration)
            lines.writerows([item.path, *each["segment"], *map(each.get, columns)] for each in found)
