"""The data report: are the data right, and how good can a model get on them?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bmn.base.files import atomic_folder
from bmn.base.schema import Params
from bmn.conversion.annotations import by_kind, read_findings
from bmn.data.subset import Subset, open_subset
from bmn.report.facts import SubsetFacts, channel_facts, grid_recalls, subset_facts
from bmn.report.page import channels_figure, classes_figure, lengths_figure, render, timelines_figure
from bmn.report.warnings import data_warnings

TIMELINES = 12  # videos, evenly spaced over the training subset


@dataclass(frozen=True)
class DataReport:
    """The contents of the report.

    Attributes:
        subsets, facts: by name.
        warnings: what would keep a model from learning, a sentence each.
        highest_recall: the highest AR, in percent, that the configured grid allows.
    """

    subsets: Mapping[str, Subset]
    facts: Mapping[str, SubsetFacts]
    warnings: Sequence[str]
    highest_recall: float


def write_data_report(params: Params, data: Path, folder: Path) -> DataReport:
    """Write ``report.html`` and its figures.

    Args:
        data: the converted data.
        folder: replaced atomically.

    Raises:
        BmnError: the data are missing or damaged.
    """
    names = [name for name in ("training", "validation", "testing") if (data / f"{name}.json").exists()]
    subsets = {name: open_subset(data, name) for name in dict.fromkeys(["training", "validation", *names])}
    training, validation = subsets["training"], subsets["validation"]
    facts = {name: subset_facts(subset) for name, subset in subsets.items()}
    channels = channel_facts(training.store)
    tscale, dscale = params.model.tscale, params.model.dscale
    cut = params.data.length == "window"  # windows are tscale long: another tscale would need other windows
    tscales = [tscale] if cut else sorted({tscale // 2, tscale, 2 * tscale})
    dscales = sorted({max(1, dscale // 4), max(1, dscale // 2), dscale, *([] if cut else [2 * dscale])})
    grid = grid_recalls(validation, dscales, tscales)
    warnings = data_warnings(training, validation, channels)

    videos = list(training.videos.values())
    shown = [videos[place] for place in np.unique(np.linspace(0, len(videos) - 1, TIMELINES).astype(int))]
    page, pictures = render(
        "Data report",
        {
            "lengths": lengths_figure(facts),
            "timelines": timelines_figure(shown),
            "classes": classes_figure(facts),
            "channels": channels_figure(channels),
        },
        source=f"features: {params.data.features or params.data.source}; annotations: "
        f"{params.data.annotations or params.data.source}; length: {params.data.length}",
        facts=facts,
        warnings=warnings,
        tscales=tscales,
        dscales=dscales,
        grid=grid,
        chosen=(tscale, dscale),
        findings=[
            (found[0].action, len(found), found[0].kind, str(found[0]))
            for found in by_kind(read_findings(data / "findings.json"))
        ],
    )
    with atomic_folder(folder) as unfinished:
        (unfinished / "report.html").write_text(page, encoding="utf-8")
        for name, picture in pictures.items():
            (unfinished / f"{name}.png").write_bytes(picture)
    highest = grid[tscales.index(tscale)][dscales.index(dscale)]
    assert highest is not None, "dscale is not above tscale"
    return DataReport(subsets, facts, warnings, highest)
