"""The evaluation report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bmn.base.files import atomic_file, write_json
from bmn.base.schema import ProposalSettings
from bmn.data.videos import Video
from bmn.metrics import AVERAGE_NUMBERS, TIOU_THRESHOLDS
from bmn.metrics.assessment import Assessment
from bmn.metrics.breakdown import KINDS, Part
from bmn.proposals import Floats
from bmn.report.figures import fill, recall_curves, timelines
from bmn.report.labels import confusion_figure, confusions

PUBLISHED = {"AR@1": 33.26, "AR@5": 49.48, "AR@10": 56.86, "AR@100": 75.19, "AUC": 67.23}
"""PaddleVideo's results on the validation subset of ActivityNet-1.3 ..."""
PUBLISHED_ON = 4728
"""... and on how many videos: those of which features were published."""
GALLERY = 2  # videos each: best, median, worst
CLASSES = 30  # in the table, worst first
REPORT = "report.html"
MANY = 2  # segments a video; ActivityNet, which the published proposal settings were made for, has 1.5
COLOURS = ("#54a24b", "#f2cf5b", "#e4572e", "#b8b8b8")


@dataclass(frozen=True)
class Shown:
    """A video of the gallery.

    Attributes:
        title: which one, and why it is shown.
        figures: of the video.
    """

    title: str
    figures: Sequence[Figure]


def advice(settings: ProposalSettings, videos: Sequence[Video]) -> str | None:
    """A sentence where a search for other ``proposals.*`` is worth its minutes; None elsewhere.

    It is by the number of segments a video: what a search would gain is known only after one.
    """
    segments = sum(len(video.segments) for video in videos) / len(videos)
    if settings != ProposalSettings() or segments <= MANY:
        return None
    return (
        f"{segments:.1f} segments a video, and proposals.* are as published, made for one or two: make tune-proposals "
        "fits them in minutes, where that gains significantly"
    )


def render(
    title: str,
    assessment: Assessment,
    metrics: Mapping[str, float],
    gallery: Sequence[Shown],
) -> str:
    """The report as HTML.

    Args:
        metrics: in percent.
    """
    groups = {"relative length": assessment.by_length, "segments per video": assessment.by_number}
    detection = assessment.detection
    return fill(
        "evaluation.html",
        percent=_percent,
        title=title,
        metrics=metrics,
        intervals=assessment.intervals,
        published=PUBLISHED if assessment.videos == PUBLISHED_ON else None,
        recall=recall_curves(assessment.recall),
        by_tiou=list(zip(TIOU_THRESHOLDS, 100 * assessment.recall.recall[:, -1], strict=True)),
        map_by_tiou=detection.precision.mean(axis=0)[-len(TIOU_THRESHOLDS) :] if detection else None,
        classes=detection.by_class()[:CLASSES] if detection else [],
        confusion=confusion_figure(*assessment.confusion) if assessment.confusion else None,
        confusions=confusions(*assessment.confusion) if assessment.confusion else [],
        groups=groups,
        losses=losses_figure(groups),
        kinds=kinds_figure(assessment),
        gallery=gallery,
    )


def losses_figure(groups: Mapping[str, Sequence[Part]]) -> Figure:
    """AR@100 of each group of segments, and how many of them were missed or badly localised."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, (title, parts) in zip(figure.subplots(1, len(groups), sharey=True), groups.items(), strict=True):
        shown = [part for part in parts if part.segments]
        names = [f"{part.name}\n({part.segments})" for part in shown]
        x = np.arange(len(shown))
        axes.bar(x - 0.25, [part.average_recall for part in shown], 0.24, color="#4c78a8", label="AR@100")
        axes.bar(x, [part.badly_localised for part in shown], 0.24, color=COLOURS[2], label="badly localised")
        axes.bar(x + 0.25, [part.missed for part in shown], 0.24, color="#7f7f7f", label="missed")
        axes.set_xticks(x, names, fontsize=8)
        axes.set(title=f"by {title} (count)", ylabel="%", ylim=(0, 100))
        axes.grid(alpha=0.3, axis="y")
    axes.legend(fontsize=8)
    return figure


def kinds_figure(assessment: Assessment) -> Figure:
    """The kinds of proposals at each rank."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.subplots()
    rank, bottom = np.arange(1, len(assessment.kinds) + 1), np.zeros(len(assessment.kinds))
    for kind, share, colour in zip(KINDS, 100 * assessment.kinds.T, COLOURS, strict=True):
        axes.bar(rank, share, 0.85, bottom, color=colour, label=kind)
        bottom += share
    axes.set(xlabel="rank within the video", ylabel="% of videos", xlim=(0.4, rank[-1] + 0.6), ylim=(0, 100))
    axes.set_xticks(rank)
    axes.legend(fontsize=8, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def write_evaluation(
    folder: Path,
    title: str,
    assessment: Assessment,
    metrics: Mapping[str, float],
    shown: Sequence[Shown],
) -> None:
    """Write ``metrics.json``, the AR-AN curve ``ar_an.csv`` and the report.

    Args:
        title: of the report.
        metrics: in percent.
        shown: the gallery.
    """
    write_json(folder / "metrics.json", dict(metrics))
    with atomic_file(folder / "ar_an.csv") as temporary:
        curve = {"AN": AVERAGE_NUMBERS, "AR": 100 * assessment.recall.average_recall}
        pd.DataFrame(curve).to_csv(temporary, index=False)
    with atomic_file(folder / REPORT) as temporary:
        temporary.write_text(render(title, assessment, metrics, shown), encoding="utf-8")


def gallery(
    assessment: Assessment,
    videos: Sequence[Video],
    proposals: Mapping[str, Floats],
    maps: Callable[[str], Figure] | None = None,
) -> list[Shown]:
    """The videos with the highest, median and lowest recall.

    Args:
        proposals: video → ``[proposal, 3]``, best first.
        maps: draws the network's outputs for a video, if there is a network.
    """
    by_id = {video.id: video for video in videos}
    recalls = {
        name: float((best[:, None] >= TIOU_THRESHOLDS).mean()) for name, best in assessment.recall.best_tiou.items()
    }
    order = sorted(recalls, key=lambda name: -recalls[name])
    middle = max(0, (len(order) - GALLERY) // 2)
    kinds = {"best": order[:GALLERY], "median": order[middle : middle + GALLERY], "worst": order[-GALLERY:]}
    shown = {name: kind for kind, names in reversed(kinds.items()) for name in names}  # with few videos, each only once
    found = []
    for name in sorted(shown, key=order.index):
        figures = [timelines([by_id[name]], [proposals.get(name, np.empty((0, 3)))])]
        if maps is not None:
            figures.append(maps(name))
        found.append(Shown(f"{shown[name]}: {name}, AR@100 {100 * recalls[name]:.0f}%", figures))
    return found
