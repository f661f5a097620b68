"""Draw overview.png, what goes in and what comes out: ``python docs/pictures.py`` after `make repro`."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import bmn
from bmn.data.subset import Subset, open_subset
from bmn.metrics.tiou import tiou
from bmn.predict.predictor import Predictor
from bmn.report.figures import TRAINING, TRUTH, VALIDATION, as_png

SHOWN = 6  # proposals


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


if __name__ == "__main__":
    drawn = overview(bmn.load("outputs/export"), open_subset(Path("data/processed"), "validation"))
    Path(__file__).with_name("overview.png").write_bytes(as_png(drawn))
