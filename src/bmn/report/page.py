"""The page of the data report: figures and tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bmn.data.videos import Video
from bmn.report.facts import ChannelFacts, SubsetFacts
from bmn.report.figures import TRAINING, VALIDATION, as_png, fill

COLOURS = {"training": TRAINING, "validation": VALIDATION, "testing": "#8a8a8a"}
SHOWN_CLASSES = 40


def render(title: str, figures: Mapping[str, Figure], **tables: Any) -> tuple[str, dict[str, bytes]]:
    """Render the page.

    Args:
        figures: by name; embedded in the page.
        tables: the template's other variables.

    Returns:
        The HTML, and each figure as PNG.
    """
    pictures = {name: as_png(figure) for name, figure in figures.items()}
    return fill("page.html", title=title, pictures=pictures, **tables), pictures


def lengths_figure(facts: Mapping[str, SubsetFacts]) -> Figure:
    """Histograms of video durations, segments per video and segment lengths."""
    figure = Figure(figsize=(10, 3), layout="constrained")
    durations, counts, lengths = figure.subplots(1, 3)
    for name, subset in facts.items():
        style = {"histtype": "step", "linewidth": 1.5, "color": COLOURS[name], "label": name, "density": True}
        durations.hist(subset.durations, bins=40, **style)
        most = max(int(one.segments_a_video.max(initial=0)) for one in facts.values())
        edges = np.arange(-0.5, most + 1.5) if most <= 50 else np.linspace(0, most, 50)
        counts.hist(subset.segments_a_video, bins=edges, **style)
        if subset.segments:
            lengths.hist(subset.lengths, bins=np.linspace(0, 1, 41), **style)
    durations.set(title="video duration", xlabel="seconds")
    counts.set(title="segments per video")
    lengths.set(title="segment length", xlabel="fraction of the video")
    for axes in (durations, counts, lengths):
        axes.set_yticks([])
    durations.legend()
    return figure


def classes_figure(facts: Mapping[str, SubsetFacts]) -> Figure:
    """The most frequent classes, as a share of each subset's segments."""
    totals = sum((subset.classes for subset in facts.values()), start=type(facts["training"].classes)())
    names = [name for name, _ in totals.most_common(SHOWN_CLASSES)][::-1]
    shown = [(name, subset) for name, subset in facts.items() if subset.segments]
    figure = Figure(figsize=(10, 1 + 0.22 * len(names)), layout="constrained")
    axes = figure.subplots()
    for place, (name, subset) in enumerate(shown):
        parts = [100 * subset.classes[label] / subset.segments for label in names]
        height = 0.8 / len(shown)
        axes.barh(np.arange(len(names)) - place * height, parts, height, color=COLOURS[name], label=name)
    axes.set_yticks(np.arange(len(names)), [_plain(label, 40) for label in names], fontsize=8)
    axes.set(xlabel="% of the subset's segments", title=f"the {len(names)} most frequent of {len(totals)} classes")
    axes.legend()
    return figure


def channels_figure(channels: ChannelFacts) -> Figure:
    """Mean, standard deviation and range of each channel."""
    figure = Figure(figsize=(10, 3), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(channels.mean))
    axes.fill_between(place, channels.smallest, channels.largest, color="0.9", step="mid", label="range")
    low, high = channels.mean - channels.std, channels.mean + channels.std
    axes.fill_between(place, low, high, color=COLOURS["training"], alpha=0.4, step="mid", label="mean ± std")
    axes.plot(place, channels.mean, color=COLOURS["training"], linewidth=1)
    axes.set(title="features of the training subset", xlabel="channel", xlim=(0, max(len(place) - 1, 1)))
    axes.legend()
    return figure


def timelines_figure(videos: Sequence[Video]) -> Figure:
    """The segments of some videos, each scaled to full width."""
    figure = Figure(figsize=(10, 0.6 + 0.35 * len(videos)), layout="constrained")
    axes = figure.subplots()
    classes = sorted({segment.label for video in videos for segment in video.segments})
    for row, video in enumerate(videos):
        axes.plot([0, 1], [row, row], color="0.85", linewidth=1, zorder=0)
        for segment in video.segments:
            width = (segment.end - segment.start) / video.duration
            colour = f"C{classes.index(segment.label) % 10}"
            axes.barh(row, width, 0.7, segment.start / video.duration, color=colour, alpha=0.7)
            label = _plain(segment.label, 25)
            axes.text(segment.start / video.duration, row, label, fontsize=7, va="center", clip_on=True)
    labels = [f"{_plain(video.id, 30)} ({video.duration:.0f} s)" for video in videos]
    axes.set_yticks(range(len(videos)), labels, fontsize=8)
    axes.set(xlim=(0, 1), xlabel="fraction of the video")
    axes.invert_yaxis()
    return figure


def _plain(text: str, longest: int) -> str:
    """A name escaped for matplotlib, which would parse it as a formula."""
    return text[:longest].replace("$", r"\$")
