"""What surrounds the network: labels, suppression, evaluation."""

from collections.abc import Iterator
from itertools import cycle

import numpy as np
import paddle

from benchmarks import published
from benchmarks.bench import MORE_ROUNDS, Bench, same
from benchmarks.inputs import random_proposals, random_segments, trained_outputs
from benchmarks.table import Row, compared, count, seconds
from benchmarks.timing import Call, compare, compare_in_turns, seconds_in_turns
from bmn.data.windows import pad
from bmn.loss.labels import label_maps
from bmn.metrics import proposal_recall
from bmn.proposals import decode, score, soft_nms


def labels(bench: Bench) -> Iterator[Row]:
    """Label maps on the device, against PaddleVideo's NumPy code, one video at a time."""
    size = bench.size
    segments = random_segments(size.windows)
    tscale, dscale = size.model.tscale, size.model.dscale

    def ours() -> tuple[paddle.Tensor, ...]:
        return label_maps(pad(segments), tscale, dscale)

    def theirs() -> list[published.Labels]:
        return [published.label_maps(each, tscale, dscale) for each in segments]

    valid = np.add.outer(np.arange(dscale), np.arange(tscale)) < tscale
    for made, expected in zip(ours(), zip(*theirs(), strict=True), strict=True):
        wanted = np.stack(expected)
        same("labels", made.numpy(), wanted * valid if wanted.ndim == 3 else wanted, 1e-6)
    comparison = compare_in_turns({"ours": ours, "published": theirs}, MORE_ROUNDS * size.rounds, bench.wait)
    yield compared(f"label maps, batch {size.windows}", seconds, comparison)


def suppression(bench: Bench) -> Iterator[Row]:
    """Ours on all videos; the published loop, which would take minutes, on a different few in each round."""
    size = bench.size
    outputs = trained_outputs(size.suppressed, size.model.dscale, size.model.tscale)
    candidates = decode(*outputs)
    kept = soft_nms(score(candidates))
    starts = cycle(range(0, size.suppressed - size.sample + 1, size.sample))

    def theirs() -> list[list[tuple[float, float, float]]]:
        first = next(starts)
        videos = range(first, first + size.sample)
        return [published.soft_nms(published.decode(*(maps[video] for maps in outputs))) for video in videos]

    for video, found in enumerate(theirs()):
        rows = np.stack([kept.starts[video], kept.ends[video], kept.scores[video]], axis=1)
        same("Soft-NMS", rows[: kept.counts[video]], found, 0)
    calls: dict[str, Call] = {"ours": lambda: soft_nms(score(decode(*outputs))), "published": theirs}
    taken = seconds_in_turns(calls, MORE_ROUNDS * size.rounds)
    scaled = [each * size.suppressed / size.sample for each in taken["published"]]
    yield compared(
        f"decode + Soft-NMS, {count(size.suppressed)} videos",
        seconds,
        compare(taken["ours"], scaled),
        f"{candidates.counts.mean():.0f} candidates per video; published: {size.sample} per round, scaled; single core",
    )


def evaluation(bench: Bench) -> Iterator[Row]:
    """AR and AUC of arrays in memory."""
    videos = bench.size.evaluated
    segments, rows = random_segments(videos, seed=1), random_proposals(videos, 100)
    truth = {str(video): each for video, each in enumerate(segments)}
    proposals = {str(video): each for video, each in enumerate(rows)}
    same("AUC", proposal_recall(truth, proposals).auc, published.evaluate(segments, rows), 1e-9)
    calls: dict[str, Call] = {
        "ours": lambda: proposal_recall(truth, proposals),
        "published": lambda: published.evaluate(segments, rows),
    }
    comparison = compare_in_turns(calls, max(1, bench.size.rounds // 2))
    yield compared(f"AR/AUC, {count(videos)} videos × 100 proposals", seconds, comparison)
