"""Features of videos: ours, which decodes while the network runs, against a loop of the same parts."""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self

import av
import numpy as np
import paddle
from numpy.typing import NDArray

from benchmarks.table import Row, compared
from benchmarks.timing import compare, seconds_in_turns
from bmn.base.runtime import threads, tune_process
from bmn.base.schema import ExtractParams
from bmn.video.backbones import checksum, opened
from bmn.video.decode import measure, sample, snippets
from bmn.video.extract import TOGETHER, Extractor, extract_videos

if TYPE_CHECKING:
    from benchmarks.bench import Bench

WIDTH, HEIGHT, RATE = 1280, 720, 25


@dataclass(frozen=True)
class Clips:
    """The videos of a comparison.

    Attributes:
        count: how many.
        seconds: that each lasts.
        pixels: sizes that the network sees.
    """

    count: int
    seconds: int
    pixels: tuple[int, ...] = (112, 224)


def videos(bench: "Bench") -> Iterator[Row]:
    """MobileNetV2 on four frames a second. Its weights are random, which costs the same."""
    clips = bench.size.clips
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        first = _film(folder / "0.mp4", clips.seconds)
        paths = [first, *(folder / f"{number}.mp4" for number in range(1, clips.count))]
        for path in paths[1:]:
            path.hardlink_to(first)
        program = _mobilenet(folder)
        for pixels in clips.pixels:
            params = ExtractParams(backbone=program.name, size=pixels)
            extractor = Extractor(params, program, checksum(program), bench.device.partition(":")[0])
            yield from _compared(extractor, paths, max(1, bench.size.rounds // 2))


class Loop:
    """The same parts one after the other: each video is decoded, on one thread, then the network sees its frames.

    Attributes:
        decoding: seconds of the last run that went into decoding.
        found: the features of the last run.
    """

    def __init__(self, paths: Sequence[Path], extractor: Extractor, threads: int) -> None:
        self._paths, self._extractor, self._threads = paths, extractor, threads
        self.decoding, self.found = 0.0, dict[Path, NDArray[np.float32]]()

    def __call__(self) -> None:
        params = self._extractor.params
        backbone = opened(params, self._extractor.program, self._extractor.device, self._threads)
        together = max(1, TOGETHER // params.frames)
        self.decoding = 0.0
        for path in self._paths:
            begin = time.perf_counter()
            images = _decode(path, params)
            self.decoding += time.perf_counter() - begin
            parts = np.split(images, range(together, len(images), together))
            self.found[path] = np.concatenate([backbone.describe(_normalized(part, params)) for part in parts])


class Apart:
    """As many loops as cores, each a process that has its share of the videos: what the cores give at most.

    A context manager, which ends the processes.
    """

    def __init__(self, paths: Sequence[Path], extractor: Extractor) -> None:
        self._loops = [Loop(paths[number :: threads()], extractor, 1) for number in range(threads())]
        self._pool = ProcessPoolExecutor(threads(), multiprocessing.get_context("spawn"))
        for started in [self._pool.submit(_import_all) for _ in self._loops]:
            started.result()

    def __call__(self) -> None:
        list(self._pool.map(Loop.__call__, self._loops))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


def _import_all() -> None:
    """Set up a process of a pool; to find this function, it imports this module."""
    tune_process()


def _compared(extractor: Extractor, paths: Sequence[Path], rounds: int) -> Iterator[Row]:
    found: dict[Path, NDArray[np.float32]] = {}

    def ours() -> None:
        pairs = extract_videos(paths, extractor)
        found.update({path: each.array for path, each in pairs if not isinstance(each, Exception)})

    loops = {str(count): Loop(paths, extractor, count) for count in sorted({1, threads()})}
    with Apart(paths, extractor) as apart:
        taken = seconds_in_turns({"ours": ours, **loops, "apart": apart}, rounds)
    for count, loop in loops.items():
        share = loop.decoding / taken[count][-1]
        gap = max(np.abs(found[path] - loop.found[path]).max() for path in paths)
        if not gap < 1e-3:
            raise RuntimeError(f"features of a video differ by {gap} from those of the loop")
        yield compared(
            f"features of {len(paths)} videos, {extractor.params.size} pixels; loop: network on {count} threads",
            lambda seconds: f"{len(paths) / seconds:.3g} videos/s",
            compare(taken["ours"], taken[count]),
            f"{WIDTH} × {HEIGHT}, {RATE} frames/s; against a loop of the same parts, {100 * share:.0f} % of which is "
            "decoding",
        )
    yield compared(
        f"the same, {extractor.params.size} pixels; {threads()} loops at once",
        lambda seconds: f"{len(paths) / seconds:.3g} videos/s",
        compare(taken["ours"], taken["apart"]),
        "against as many loops as cores, each in a process of its own: what these cores give at most",
    )


def _decode(path: Path, params: ExtractParams) -> NDArray[np.uint8]:
    """All frames of a video that the network sees, ``[snippet, frame, height, width, 3]``."""
    timeline = measure(path)
    count = snippets(timeline.duration, params.frames / params.fps)
    images = list(sample(path, timeline, count * params.frames, params.size))
    return np.stack(images).reshape(count, params.frames, params.size, params.size, 3)


def _normalized(images: NDArray[np.uint8], params: ExtractParams) -> NDArray[np.float32]:
    mean, deviation = np.float32(params.mean), np.float32(params.std)
    return np.moveaxis((images / np.float32(255) - mean) / deviation, -1, 2)


def _mobilenet(folder: Path) -> Path:
    paddle.seed(1)
    network = paddle.vision.models.mobilenet_v2(num_classes=0)
    network.eval()
    images = paddle.static.InputSpec([None, 3, None, None], "float32")
    paddle.jit.save(network, str(folder / "mobilenet"), input_spec=[images])
    return next(path for path in folder.iterdir() if path.suffix in (".json", ".pdmodel"))


def _film(path: Path, seconds: int) -> Path:
    """Squares that travel under a little noise, with the settings that phones and sites use: H.264, B-frames."""
    rng = np.random.default_rng(1)
    pattern = np.kron(rng.integers(0, 200, (HEIGHT // 40, WIDTH // 40, 3)), np.ones((40, 40, 1))).astype(np.uint8)
    noise = rng.integers(0, 6, (8, HEIGHT, WIDTH, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "fast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(seconds * RATE):
            picture = np.roll(pattern, 3 * number, axis=1) + noise[number % len(noise)]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
