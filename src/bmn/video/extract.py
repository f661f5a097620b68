"""Features of videos: decoded in one process, described in another, several videos at a time.

A lane is a process that decodes and a thread that runs the network on what has been decoded; there are as many lanes as
cores. What a lane holds is bounded, however long the video.
"""

import hashlib
import json
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.runtime import threads
from bmn.base.schema import ExtractParams
from bmn.provenance import code
from bmn.video.backbones import backbone_program, checksum, opened
from bmn.video.decoder import UNBOUNDED, Bounds, Decoder, Wanted

TOGETHER = 16  # images that the network sees at once
PLACES = {"backbone"}  # where it lies shapes no feature


@dataclass(frozen=True)
class Extractor:
    """How features are made, with the backbone that makes them.

    Attributes:
        params: the parameters.
        program: the backbone.
        checksum: of the backbone.
        device: ``cpu`` or ``gpu``; ``auto``: a GPU if the runtime can use one.
    """

    params: ExtractParams
    program: Path
    checksum: str
    device: str

    def about(self) -> dict[str, Any]:
        """What features follow from, for a manifest; two extractors that agree in it make the same features."""
        return {"backbone": self.params.backbone, **self.params.model_dump(exclude=PLACES), "checksum": self.checksum}

    def key(self) -> str:
        """16 hexadecimal digits that differ where features may, also by the code that makes them."""
        files = {name: path for name, path in code(Path(__file__)).items() if not name.startswith("bmn/base/")}
        sources = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
        shapes = {name: value for name, value in self.about().items() if name not in PLACES}
        return hashlib.sha256(json.dumps([shapes, sources], sort_keys=True).encode()).hexdigest()[:16]


def find_extractor(params: ExtractParams, root: Path, device: str) -> Extractor:
    """The extractor that parameters name.

    Args:
        root: the folder that relative paths start from.
        device: that it runs on; see :class:`Extractor`.

    Raises:
        BmnError: there is no such backbone.
    """
    program = backbone_program(params.backbone, root)
    return Extractor(params, program, checksum(program), device)


@dataclass(frozen=True)
class Features:
    """What was made of a video.

    Attributes:
        duration: of the video, in seconds.
        array: ``[snippet, channel]``; the snippets share the duration evenly.
    """

    duration: float
    array: NDArray[np.float32]


class Lane:
    """Extracts the features of one video after the other.

    Args:
        extractor: how.
        threads: for the decoder and for the network, each.
        bounds: of each video.

    Raises:
        BmnError: the backbone cannot be run.
    """

    def __init__(self, extractor: Extractor, threads: int, bounds: Bounds = UNBOUNDED) -> None:
        self._params = extractor.params
        self._decoder = Decoder(threads, bounds)
        self._decoder.start()  # it imports what it needs while the backbone is opened
        try:
            self._backbone = opened(extractor.params, extractor.program, extractor.device, threads)
        except BaseException:
            self.close()
            raise

    def extract(self, path: Path) -> Features:
        """The features of a video.

        Raises:
            BmnError: it cannot be decoded, is out of bounds, or the backbone gives numbers that are not finite.
        """
        params = self._params
        decoded = self._decoder.open(path, Wanted(params.frames / params.fps, params.frames, params.size))
        together = max(1, TOGETHER // params.frames)
        batches = -(-decoded.snippets // together)
        found: list[NDArray[np.float32]] = []
        last = None
        for _ in range(batches):
            images = np.stack(list(islice(decoded.images, together)))
            found.append(self._describe(images, images[:1, 0] if last is None else last))
            last = images[-1:, -1]
        array = np.concatenate(found)
        if not np.isfinite(array).all():
            raise BmnError(f"{path}: {params.backbone} gives features that are not finite; correct extract.mean or std")
        return Features(decoded.duration, array)

    def close(self) -> None:
        """End the decoder."""
        self._decoder.close()

    def _describe(self, images: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The features ``[snippet, channel]`` of snippets; ``last`` ``[1, H, W, 3]`` is the frame before them."""
        features = self._backbone.describe(self._normalized(images))
        if not self._params.motion:
            return features
        frames = images.reshape(-1, *images.shape[2:]).astype(np.int16)
        changes = (255 + np.diff(frames, axis=0, prepend=last.astype(np.int16))) / np.float32(2)  # grey where it stays
        return np.concatenate([features, self._backbone.describe(self._normalized(changes.reshape(images.shape)))], 1)

    def _normalized(self, images: NDArray[Any]) -> NDArray[np.float32]:
        mean, deviation = (np.asarray(values, np.float32) for values in (self._params.mean, self._params.std))
        scaled: NDArray[np.float32] = images * (1 / (255 * deviation)) - mean / deviation
        return np.ascontiguousarray(np.moveaxis(scaled, -1, 2), np.float32)


def feature_channels(extractor: Extractor) -> int:
    """How many channels its features have.

    Raises:
        BmnError: the backbone cannot be run.
    """
    backbone = opened(extractor.params, extractor.program, extractor.device, threads())
    return backbone.channels * (2 if extractor.params.motion else 1)


def extract_videos(paths: Sequence[Path], extractor: Extractor) -> Iterator[tuple[Path, Features | BmnError]]:
    """The features of videos as they get ready, in any order, or what is wrong with a video.

    Raises:
        BmnError: the backbone cannot be run.
    """
    count = min(threads(), len(paths))
    pool = ThreadPoolExecutor(count)
    lanes = [pool.submit(Lane, extractor, max(1, threads() // count)) for _ in range(count)]
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()

    def extract(path: Path) -> Features | BmnError:
        lane = free.get()
        try:
            return lane.extract(path)
        except BmnError as error:
            return error
        finally:
            free.put(lane)

    todo: dict[Future[Features | BmnError], Path] = {}
    try:
        for lane in lanes:
            free.put(lane.result())
        todo = {pool.submit(extract, path): path for path in paths}
        for done in as_completed(todo):
            yield todo.pop(done), done.result()
    finally:
        for future in todo:
            future.cancel()
        for lane in lanes:
            if lane.exception() is None:
                lane.result().close()
        pool.shutdown()
