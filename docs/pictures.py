"""Draw the pictures of the front page and of how it works: ``python docs/pictures.py`` after `make repro`."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import bmn
from bmn.base.schema import ModelParams
from bmn.data.subset import Subset, open_subset
from bmn.loss.labels import label_maps
from bmn.loss.normalizers import levels
from bmn.metrics.tiou import tiou
from bmn.model.sampling import cells_before, sampling_reads
from bmn.predict.predictor import Predictor
from bmn.proposals import Floats, Proposals, score, soft_nms
from bmn.proposals.candidates import decode
from bmn.report.figures import TRAINING, TRUTH, VALIDATION, as_png

SHOWN = 6  # proposals
SEGMENTS = np.array([[0.08, 0.3], [0.45, 0.85]])  # the true ones in the pictures of how it works, as fractions
TSCALE = 100


def example(model: Predictor, validation: Subset) -> int:
    """The row that is drawn: of the videos with two or three segments, one that the model does well on."""

    def found(row: int) -> float:
        """The mean over the segments of the best tIoU among the proposals that are drawn."""
        video = validation.videos[validation.store.windows[row].video]
        proposals = model.propose(validation.store.read([row])[0].T, video.duration)[:SHOWN]
        segments = np.array([(one.start, one.end) for one in video.segments])
        start, end = np.array([proposal["segment"] for proposal in proposals]).T
        overlaps = tiou(segments[:, :1], segments[:, 1:], start, end)
        return float(overlaps.max(axis=1).mean())

    rows = [row for row, segments in enumerate(validation.segments) if len(segments) in (2, 3)]
    return max(rows, key=found)


def overview(model: Predictor, validation: Subset) -> Figure:
    """Features, boundary probabilities, confidence map and proposals of one validation video, over one time axis."""
    row = example(model, validation)
    video = validation.videos[validation.store.windows[row].video]
    features = validation.store.read([row])[0]
    confidence, start, end = (maps[0] for maps in model.maps(features[None]))
    proposals = model.propose(features.T, video.duration)[:SHOWN]
    _, dscale, tscale = confidence.shape

    figure = Figure(figsize=(9, 9), layout="constrained")
    whole = (0, video.duration)
    top, middle, triangle, bottom = figure.subplots(4, 1, height_ratios=[1.2, 1, 2.6, 1.4])
    order = np.argsort(features.std(axis=1))[-64:]
    top.imshow(features[np.sort(order)], aspect="auto", cmap="magma", extent=(*whole, 0, 64), interpolation="nearest")
    top.set_title(f"in: features [channel, snippet], {features.shape[0]} × {tscale}; the 64 channels that vary most")
    seconds = (np.arange(tscale) + 0.5) * video.duration / tscale
    middle.plot(seconds, start, color=TRAINING, label="start")
    middle.plot(seconds, end, color=VALIDATION, label="end")
    middle.set(ylim=(0, 1))
    middle.legend(loc="upper right", fontsize=8)
    middle.set_title("boundary probabilities [snippet]")
    duration, first = np.mgrid[:dscale, :tscale]
    product = np.where(duration + first < tscale, confidence[0] * confidence[1], np.nan)
    triangle.imshow(
        product, origin="lower", aspect="auto", cmap="viridis", extent=(*whole, 0, dscale * video.duration / tscale)
    )
    triangle.set(ylabel="duration in seconds")
    triangle.set_title("confidence map [duration, start]: how well every possible segment covers an action")
    for segment in video.segments:
        triangle.plot(segment.start, segment.end - segment.start, "o", mfc="none", mec="white", mew=1.5, clip_on=False)
        for axes in (middle, bottom):
            axes.axvspan(segment.start, segment.end, color=TRUTH, alpha=0.2)
    best = proposals[0]["score"]
    for line, proposal in enumerate(proposals):
        left, right = proposal["segment"]
        bar = Rectangle((left, -line - 0.4), right - left, 0.7, fc=TRAINING, alpha=0.2 + 0.8 * proposal["score"] / best)
        bottom.add_patch(bar)
        bottom.text(left, -line - 0.05, f" {proposal['score']:.2f}", va="center", fontsize=8)
    bottom.set(ylim=(-SHOWN + 0.3, 0.6), xlabel="seconds")
    bottom.set_title(f"out: the best {SHOWN} proposals and their scores (green: true segments)")
    for axes in (top, middle, triangle, bottom):
        axes.set(xlim=whole)
        axes.title.set_fontsize(10)
        if axes in (top, bottom):
            axes.set(yticks=[])
    return figure


def draw_triangle(axes: Axes, cells: Floats, title: str, colours: str | Colormap) -> None:
    """Draw ``cells [duration, start]``, with durations from 1 snippet upwards; NaN is left white."""
    dscale, tscale = cells.shape
    axes.imshow(cells, origin="lower", extent=(0, tscale, 0.5, dscale + 0.5), aspect="auto", cmap=colours)
    axes.set(xlabel="start in snippets", ylabel="duration in snippets")
    axes.set_title(title, fontsize=10)


def shade_segments(axes: Axes) -> None:
    """Shade the true segments, over an axis of snippets."""
    for segment in SEGMENTS * TSCALE:
        axes.axvspan(*segment, color=TRUTH, alpha=0.2)


def sampling(tscale: int = 24, num_sample: int = 8, duration: int = 8, start: int = 9) -> Figure:
    """The cells that are computed, and where the marked one samples the sequence."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    cells = np.full((tscale, tscale), np.nan)
    for kind, margin in enumerate((2, 0)):  # the valid ones are drawn over the ring
        cells[cells_before(tscale + margin, tscale, tscale)] = kind
    draw_triangle(left, cells, "valid cells and the ring around them", ListedColormap(["#f2b8a8", TRAINING]))
    left.add_patch(Rectangle((start, duration - 0.5), 1, 1, fc="white", ec="black"))
    left.annotate("", (start + 0.5, duration), (start + 7, duration + 9), arrowprops={"arrowstyle": "->"})
    left.text(start + 7, duration + 9, f"starts at {start}, lasts {duration}", va="bottom")

    points, ratio = ModelParams().num_sample_perbin, ModelParams().prop_boundary_ratio
    reads = sampling_reads(tscale, tscale, num_sample, points, ratio)
    durations, starts = cells_before(tscale, tscale, tscale)
    cell = np.flatnonzero((durations == duration - 1) & (starts == start))[0]
    matrix = np.zeros((num_sample, tscale))
    np.add.at(matrix, (reads.bin[:, None], reads.snippet[cell]), reads.weight[cell])
    right.imshow(
        matrix, cmap="Greys", aspect="auto", origin="lower", extent=(-0.5, tscale - 0.5, 0.5, num_sample + 0.5)
    )
    right.axvspan(start - 0.5, start + duration - 0.5, color=TRUTH, alpha=0.2)
    right.set(xlabel="snippet", ylabel="sample")
    right.set_title(f"its {num_sample} samples (green: the segment)", fontsize=10)
    return figure


def labels() -> Figure:
    """What the network is taught for two segments: boundary labels, the tIoU map, and its levels."""
    iou, start, end = label_maps(SEGMENTS[None], TSCALE, TSCALE)
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    axes = figure.subplot_mosaic([["boundaries", "boundaries"], ["tIoU", "levels"]], height_ratios=[1, 2.6])
    boundaries, snippets = axes["boundaries"], np.arange(TSCALE)
    boundaries.step(snippets, start[0].numpy(), where="post", color=TRAINING, label="start")
    boundaries.step(snippets, end[0].numpy(), where="post", color=VALIDATION, label="end")
    boundaries.set(xlim=(0, TSCALE), xlabel="snippet")
    boundaries.set_title("boundary labels (green: true segments)", fontsize=10)
    boundaries.legend(loc="center", fontsize=8)
    shade_segments(boundaries)
    high, middle, low = (level[0].numpy() for level in levels(iou))
    valid = high + middle + low > 0
    draw_triangle(axes["tIoU"], np.where(valid, iou[0].numpy(), np.nan), "tIoU with the best segment", "viridis")
    colours = ListedColormap(["#dce3ee", "#f2b8a8", VALIDATION])
    kinds = np.where(valid, middle + 2 * high, np.nan)
    draw_triangle(axes["levels"], kinds, "low, middle and high tIoU, from light to dark", colours)
    return figure


def suppression(shown: int = 14) -> Figure:
    """The best proposals before and after Soft-NMS, for a network that would give the labels themselves."""
    iou, start, end = (maps.numpy() for maps in label_maps(SEGMENTS[None], TSCALE, TSCALE))
    before = score(decode(np.stack([iou, iou], axis=1), start, end))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = zip(figure.subplots(1, 2), (before, soft_nms(before)), ("before Soft-NMS", "after it"), strict=True)
    for axes, proposals, title in panels:
        draw_proposals(axes, proposals, shown)
        axes.set_title(f"the best proposals {title} (darker: higher score)", fontsize=10)
    return figure


def draw_proposals(axes: Axes, proposals: Proposals, shown: int) -> None:
    """Draw the best proposals of the first video as bars, the best on top."""
    for rank in range(min(shown, proposals.counts[0])):
        left, right = TSCALE * proposals.starts[0, rank], TSCALE * proposals.ends[0, rank]
        alpha = 0.1 + 0.9 * proposals.scores[0, rank] / proposals.scores[0, 0]
        axes.add_patch(Rectangle((left, rank + 0.6), right - left, 0.8, fc=TRAINING, alpha=alpha))
    shade_segments(axes)
    axes.set(xlim=(0, TSCALE), ylim=(shown + 0.5, 0.5), xlabel="snippet", ylabel="rank")


if __name__ == "__main__":
    drawn = {
        "overview": overview(bmn.load("outputs/export"), open_subset(Path("data/processed"), "validation")),
        "sampling": sampling(),
        "labels": labels(),
        "suppression": suppression(),
    }
    for name, picture in drawn.items():
        Path(__file__).with_name(f"{name}.png").write_bytes(as_png(picture))
