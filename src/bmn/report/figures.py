"""Figures of a training and its proposals, drawn without a display, and the pages that show them."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from bmn.data.videos import Video
from bmn.metrics import AVERAGE_NUMBERS, TIOU_THRESHOLDS, Recall
from bmn.proposals import Floats

TRAINING, VALIDATION, TRUTH = "#4c78a8", "#e4572e", "#54a24b"
CHARACTERS = 130  # that fit across a timeline
TEMPLATES = Path(__file__).parent
PARTS = {"loss": "total", "tem_loss": "start and end", "pem_reg_loss": "regression", "pem_cls_loss": "classification"}


def fill(template: str, **values: Any) -> str:
    """Render a template of ``report/`` as a self-contained HTML page.

    Args:
        template: its name. Its filter ``picture`` embeds a figure or a PNG.
        values: its variables.
    """
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["picture"] = _picture
    return environment.get_template(template).render(values)


def as_png(figure: Figure) -> bytes:
    """A figure as PNG, sharp on high-resolution screens."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150)
    return file.getvalue()


def _picture(shown: Figure | bytes) -> str:
    png = shown if isinstance(shown, bytes) else as_png(shown)
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def loss_curves(history: Sequence[dict[str, float]]) -> Figure:
    """The total loss and its three parts over the epochs, for training and validation.

    Args:
        history: one row per epoch, as training returns it.
    """
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    for axes, (part, title) in zip(figure.subplots(1, len(PARTS)), PARTS.items(), strict=True):
        for subset, colour in (("train", TRAINING), ("val", VALIDATION)):
            rows = [row for row in history if f"{subset}/{part}" in row]
            epochs, values = [row["epoch"] for row in rows], [row[f"{subset}/{part}"] for row in rows]
            axes.plot(epochs, values, "o-", color=colour, label=subset, markersize=3)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    axes.legend()
    return figure


def recall_curves(recall: Recall) -> Figure:
    """AR over the average number of proposals, above the recall at each tIoU threshold."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    axes = figure.subplots()
    lowest = 200.0  # curves fall with the threshold; labels of close ones would overlap
    for threshold, values in zip(TIOU_THRESHOLDS, 100 * recall.recall, strict=True):
        axes.plot(AVERAGE_NUMBERS, values, color="0.75", linewidth=1)
        if values[-1] <= lowest - 4:
            lowest = values[-1]
            axes.annotate(f"{threshold:.2f}", (100, lowest), (4, -3), textcoords="offset points", fontsize=7)
    axes.plot(AVERAGE_NUMBERS, 100 * recall.average_recall, color=TRAINING, linewidth=2.5, label="AR (mean)")
    axes.set_title(f"AUC {recall.auc:.2f}%   AR@1 {recall.ar_at(1):.2f}   AR@100 {recall.ar_at(100):.2f}")
    axes.set_xlabel("average number of proposals per video (AN)")
    axes.set_ylabel("recall in %, grey: by tIoU")
    axes.set(xlim=(1, 100), ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def timelines(videos: Sequence[Video], proposals: Sequence[Floats], shown: int = 8) -> Figure:
    """One strip per video: its segments above, its best proposals below, darker for a higher score.

    Args:
        proposals: ``[proposal, 3]`` (start, end in seconds, score) of each video, best first.
        shown: proposals drawn per video.
    """
    figure = Figure(figsize=(10, 0.5 + 1.7 * len(videos)), layout="constrained")
    for axes, video, rows in zip(np.atleast_1d(figure.subplots(len(videos), 1)), videos, proposals, strict=True):
        lines = [0.0, 0.0]  # two lines of labels: the time from which each is free
        for segment in video.segments:
            axes.add_patch(Rectangle((segment.start, 0.5), segment.end - segment.start, 0.8, fc=TRUTH, ec="white"))
            line = next((number for number, free in enumerate(lines) if segment.start >= free), None)
            if line is not None:
                axes.text(segment.start, 1.5 + 1.1 * line, segment.label, fontsize=8, clip_on=True, parse_math=False)
                lines[line] = segment.start + (len(segment.label) + 1) * video.duration / CHARACTERS
        best = max(rows[:, 2].max(initial=0), 1e-12)
        for place, (start, end, score) in enumerate(rows[:shown]):
            bar = Rectangle((start, -place - 0.5), end - start, 0.7, fc=TRAINING, alpha=0.15 + 0.85 * score / best)
            axes.add_patch(bar)
        truth = "segments (green), " if video.segments else ""
        axes.set(xlim=(0, video.duration), ylim=(-shown, 3.6 if video.segments else 0.5), yticks=[])
        title = f"{video.id}: {truth}best {shown} proposals (blue, darker for a higher score)"
        axes.set_title(title, fontsize=9, loc="left", parse_math=False)
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.tick_params(labelsize=8)
    axes.set_xlabel("seconds", fontsize=9)
    return figure


def confidence_figure(
    confidence_map: NDArray[np.float32],
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    segments: Floats,
    title: str,
) -> Figure:
    """The network's outputs for one window: both channels of the confidence map, and the boundary probabilities.

    Args:
        confidence_map: ``[2, duration, start]``.
        start, end: ``[snippet]``.
        segments: ground truth ``[segment, 2]``, fractions of the window; rings on the maps.
    """
    _, dscale, tscale = confidence_map.shape
    figure = Figure(figsize=(10, 6), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=[3, 1])
    duration, first = np.mgrid[:dscale, :tscale]
    for column, name in enumerate(("regression", "classification")):
        axes = figure.add_subplot(grid[0, column])
        shown = np.where(duration + first < tscale, confidence_map[column], np.nan)
        image = axes.imshow(shown, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="viridis")
        cells = segments * tscale
        axes.plot(cells[:, 0], cells[:, 1] - cells[:, 0] - 1, "o", mfc="none", mec=VALIDATION, mew=1.8, clip_on=False)
        axes.set(title=f"{name} (rings: segments)", xlabel="start in snippets", ylabel="duration in snippets")
    figure.colorbar(image, ax=axes)
    axes = figure.add_subplot(grid[1, :])
    axes.plot(start, color=TRAINING, label="start probability")
    axes.plot(end, color=VALIDATION, label="end probability")
    for left, right in segments * tscale:
        axes.axvspan(left, right, color=TRUTH, alpha=0.15)
    axes.set(xlim=(0, tscale - 1), ylim=(0, 1), xlabel="snippet (green: segments)")
    axes.legend(loc="upper right", fontsize=8)
    figure.suptitle(title, fontsize=10, parse_math=False)
    return figure
