"""The comparisons: each yields rows of the table, and raises an error if the results differ from the published ones."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import cycle
from pathlib import Path

import numpy as np
import paddle
from numpy.typing import ArrayLike, NDArray

from benchmarks import memory, published
from benchmarks.child import ROOT, Order, child
from benchmarks.forms import FORMS, features, forward_of, make_network, training_step, wait_for
from benchmarks.inputs import random_proposals, random_segments, trained_outputs
from benchmarks.programs import export_both
from benchmarks.table import Row, amount, compared, count, seconds
from benchmarks.timing import Call, compare, compare_in_turns, seconds_in_turns
from benchmarks.videos import Clips, videos
from bmn.base.schema import ModelParams
from bmn.data.windows import pad
from bmn.loss.labels import label_maps
from bmn.metrics import proposal_recall
from bmn.model.network import BMN
from bmn.proposals import decode, score, soft_nms
from bmn.runtimes.programs import open_program

SHARE_OF_MEMORY = 0.6  # of what is available: steps expected to need more are skipped
PUBLISHED = ModelParams()  # sizes
MORE_ROUNDS = 3  # times as many for calls of less than a second
CLIPS = Clips(count=16, seconds=15)
REST = 0.2  # seconds until onnxruntime's threads sleep


@dataclass(frozen=True)
class Size:
    """How much is compared.

    Attributes:
        model: network sizes.
        batch: videos per forward pass or training step.
        throughput_batch: videos per call of an exported program, for throughput.
        rounds: how often both sides take a turn.
        memory_batch: videos in the step whose memory is measured.
        windows: number of windows to label.
        suppressed: videos to decode and suppress.
        sample: how many of them the published loop handles per round.
        evaluated: videos with 100 proposals each.
        long: T = D of the long sequence.
        scaling: T = D of training steps at other sizes.
        batches: their batch sizes.
        clips: videos to extract features of.
    """

    model: ModelParams = PUBLISHED
    batch: int = 4
    throughput_batch: int = 16
    rounds: int = 5
    memory_batch: int = 8
    windows: int = 16
    suppressed: int = 1000
    sample: int = 20
    evaluated: int = 4728
    long: int = 400
    scaling: tuple[int, ...] = (50, 100, 200, 400)
    batches: tuple[int, ...] = (1, 4, 16)
    clips: Clips = CLIPS


FULL = Size()
QUICK = Size(
    batch=1,
    throughput_batch=4,
    rounds=2,
    memory_batch=2,
    suppressed=200,
    evaluated=400,
    long=200,
    scaling=(50,),
    batches=(1, 4),
    clips=Clips(count=4, seconds=10),
)
TINY = Size(
    model=ModelParams(feat_dim=8, tscale=10, dscale=8, num_sample=4, num_sample_perbin=2),
    batch=2,
    throughput_batch=3,
    rounds=1,
    memory_batch=2,
    windows=2,
    suppressed=4,
    sample=2,
    evaluated=4,
    long=16,
    scaling=(6,),
    batches=(1, 2),
    clips=Clips(count=2, seconds=1, pixels=(32,)),
)


@dataclass(frozen=True)
class Bench:
    """Shared by the comparisons."""

    size: Size
    device: str

    @property
    def wait(self) -> Call:
        """Wait for the device."""
        return wait_for(self.device)

    @cached_property
    def network(self) -> BMN:
        """The network whose parameters both forms use."""
        return make_network(self.size.model)

    def order(self, form: str, batch: int, model: ModelParams | None = None, plain: bool = False) -> Order:
        """The order for a child process."""
        return Order(form, (model or self.size.model).model_dump(), batch, self.device, plain)


def forward(bench: Bench) -> Iterator[Row]:
    """Without gradients."""
    network, batch = bench.network, bench.size.batch
    x = features(network, batch)
    forwards = {form: forward_of(form, network) for form in FORMS}
    calls: dict[str, Call] = {form: partial(forwards[form], x) for form in FORMS}
    with paddle.no_grad():
        ours, theirs = ([out.numpy() for out in forwards[form](x)] for form in FORMS)
        _same_maps("forward", ours, theirs)
        comparison = compare_in_turns(calls, bench.size.rounds, bench.wait)
    yield compared("forward", seconds, comparison, f"batch {batch}")


def inference(bench: Bench) -> Iterator[Row]:
    """Exported programs, against the published form's, which contains its matrix; all with the same settings."""
    device = bench.device.partition(":")[0]
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = export_both(bench.size.model, Path(folder))
        files = [file for file in ours if device == "cpu" or file.suffix != ".onnx"]
        programs = {file.name: open_program(file, device) for file in (*files, theirs)}
    x = features(bench.network, 1).numpy()
    _same_maps(theirs.name, programs[files[0].name].run(x), programs[theirs.name].run(x))
    for batch in (1, bench.size.throughput_batch):
        x = features(bench.network, batch).numpy()
        calls: dict[str, Call] = {name: partial(program.run, x) for name, program in programs.items()}
        needed = memory.expected_of_published_program(bench.size.model, batch)
        if needed > SHARE_OF_MEMORY * memory.available(bench.device):
            yield Row(f"exported programs, batch {batch}", "–", how=f"skipped: needs about {amount(needed)}")
            continue
        rounds = MORE_ROUNDS * bench.size.rounds if batch == 1 else max(1, bench.size.rounds // 2)
        for call in calls.values():  # the first call of a size allocates memory, and long calls get no warm-up
            call()
        taken = seconds_in_turns(calls, rounds, rest=REST)
        for file in files:
            comparison = compare(taken[file.name], taken[theirs.name])
            relative = compare(taken[file.name], taken[files[0].name])
            yield compared(
                f"{file.name}, " + ("latency" if batch == 1 else f"throughput, batch {batch}"),
                seconds if batch == 1 else partial(_per_second, batch),
                comparison,
                "" if file == files[0] else f"{relative.ratio:.2f} × as fast as {files[0].name}",
            )


def _per_second(batch: int, taken: float) -> str:
    return f"{batch / taken:.3g} videos/s"


def step(bench: Bench) -> Iterator[Row]:
    """Both sides with our settings."""
    steps = {form: training_step(bench.network, form, bench.size.batch) for form in FORMS}
    comparison = compare_in_turns(steps, bench.size.rounds, bench.wait)
    yield compared(
        "training step",
        seconds,
        comparison,
        f"batch {bench.size.batch}; same settings, losses and optimizer",
    )


def out_of_the_box(bench: Bench) -> Iterator[Row]:
    """Ours with its settings, the published form with Paddle's defaults, in two processes."""
    batch = bench.size.batch
    rounds = 1 + max(1, bench.size.rounds // 2)  # the first warms up
    with (
        child(bench.order("ours", batch)) as ours,
        child(bench.order("published", batch, plain=True)) as theirs,
    ):
        taken = [(ours.step().seconds, theirs.step().seconds) for _ in range(rounds)][1:]
    yield compared(
        "training step, published form with Paddle's default settings",
        seconds,
        compare(*zip(*taken, strict=True)),
        f"batch {batch}; two processes, alternating",
    )


def step_memory(bench: Bench) -> Iterator[Row]:
    """Peak memory of three steps in a fresh process, above what it held before."""
    batch = bench.size.memory_batch
    added = []
    for form in FORMS:
        with child(bench.order(form, batch)) as process:
            added.append([process.step().added for _ in range(3)][-1])
    yield compared(
        f"peak memory added by a step, batch {batch}",
        amount,
        compare(*([value] for value in added)),
        "resident memory after three steps in a fresh process, above that before",
    )


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
        _same("labels", made.numpy(), wanted * valid if wanted.ndim == 3 else wanted, 1e-6)
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
        _same("Soft-NMS", rows[: kept.counts[video]], found, 0)
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
    _same("AUC", proposal_recall(truth, proposals).auc, published.evaluate(segments, rows), 1e-9)
    calls: dict[str, Call] = {
        "ours": lambda: proposal_recall(truth, proposals),
        "published": lambda: published.evaluate(segments, rows),
    }
    comparison = compare_in_turns(calls, max(1, bench.size.rounds // 2))
    yield compared(f"AR/AUC, {count(videos)} videos × 100 proposals", seconds, comparison)


def construction(bench: Bench) -> Iterator[Row]:
    """Ours computes a plan, the published form its matrix bin by bin; the layers are the same."""
    model = bench.size.model
    sizes = (
        model.tscale,
        model.dscale,
        model.num_sample,
        model.num_sample_perbin,
        model.prop_boundary_ratio,
    )
    # With two snippets there is nothing to plan, which leaves the layers.
    layers = model.model_copy(update={"tscale": 2, "dscale": 1})

    def theirs() -> None:
        make_network(layers)
        paddle.to_tensor(published.matrix_by_bins(*sizes))

    calls: dict[str, Call] = {"ours": lambda: make_network(model), "published": theirs}
    comparison = compare_in_turns(calls, bench.size.rounds, bench.wait)
    yield compared("network construction", seconds, comparison)


def imports(bench: Bench) -> Iterator[Row]:
    """Import times in fresh processes, and a check of what bmn imports."""
    code = (
        "import json, sys, time; begin = time.perf_counter(); import {0}; seconds = time.perf_counter() - begin;"
        "print(json.dumps([seconds, [name for name in ('paddle', 'mlflow') if name in sys.modules]]))"
    )

    def imported(name: str) -> tuple[float, list[str]]:
        words = [sys.executable, "-c", code.format(name)]
        done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        taken, came_along = json.loads(done.stdout)
        return taken, came_along

    taken: dict[str, list[float]] = {"bmn": [], "paddle": []}
    for _ in range(bench.size.rounds):
        for name, times in taken.items():
            spent, came_along = imported(name)
            if name == "bmn" and came_along:
                raise RuntimeError(f"import bmn imports {' and '.join(came_along)}; it should not")
            times.append(spent)
    yield compared(
        "import bmn, against import paddle",
        seconds,
        compare(taken["bmn"], taken["paddle"]),
        "import bmn imports neither Paddle nor MLflow",
    )


def long_sequence(bench: Bench) -> Iterator[Row]:
    """Only ours: the published form's matrix and samples would need tens of GiB at T = D = 400."""
    side = bench.size.long
    model = bench.size.model.model_copy(update={"tscale": side, "dscale": side})
    with child(bench.order("ours", 1, model)) as process:
        report = [process.step() for _ in range(2)][-1]
    yield Row(
        f"T = D = {side}, batch 1, forward + backward",
        f"{amount(report.whole)}, {seconds(report.seconds)}",
        how=f"peak of the whole process; a step adds {amount(report.added)}; "
        f"the published form would add about {amount(memory.expected('published', model, 1))}",
    )


def scaling(bench: Bench) -> Iterator[Row]:
    """Training steps at other sizes, if they fit in memory."""
    rounds = max(1, bench.size.rounds // 2)
    for side in bench.size.scaling:
        model = bench.size.model.model_copy(update={"tscale": side, "dscale": side})
        network = make_network(model)
        for batch in bench.size.batches:
            memory.release()
            limit = SHARE_OF_MEMORY * memory.available(bench.device)
            needed = {form: memory.expected(form, model, batch) for form in FORMS}
            calls = {form: training_step(network, form, batch) for form in FORMS if needed[form] < limit}
            taken = seconds_in_turns(calls, rounds, bench.wait) if calls else {}
            what = f"training step, T = D = {side}, batch {batch}"
            if len(taken) == len(FORMS):
                yield compared(what, seconds, compare(**taken))
            else:
                ours = seconds(statistics.median(taken["ours"])) if taken else "–"
                skipped = " and ".join(f"{form} {amount(needed[form])}" for form in FORMS if form not in taken)
                how = f"skipped: expected to need {skipped}, above the limit of {amount(limit)}"
                yield Row(what, ours, how=how)


def _same(what: str, ours: ArrayLike, theirs: ArrayLike, tolerance: float) -> None:
    """Raise an error if results differ, before they are timed."""
    gap = np.abs(np.asarray(ours) - np.asarray(theirs)).max(initial=0)
    if not gap <= tolerance:
        raise RuntimeError(f"{what}: ours and the published form differ by {gap}; the tolerance is {tolerance}")


def _same_maps(what: str, ours: Sequence[NDArray[np.float32]], theirs: Sequence[NDArray[np.float32]]) -> None:
    """The same for a network's outputs; only the maps' valid cells count."""
    dscale, tscale = ours[0].shape[2:]
    valid = np.add.outer(np.arange(dscale), np.arange(tscale)) < tscale
    for one, other in zip(ours, theirs, strict=True):
        _same(what, *((maps[..., valid] if maps.ndim == 4 else maps) for maps in (one, other)), 1e-5)


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "step": step,
    "out-of-the-box": out_of_the_box,
    "forward": forward,
    "inference": inference,
    "memory": step_memory,
    "labels": labels,
    "suppression": suppression,
    "evaluation": evaluation,
    "construction": construction,
    "import": imports,
    "long": long_sequence,
    "scaling": scaling,
    "videos": videos,
}
