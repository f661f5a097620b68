"""Frames of a video at their second, by the timestamps of its container; the one file that knows PyAV's reading side.

Second 0 is where the file begins to play: the earliest timestamp among its streams. A frame is shown until the next one
comes, the first also before it, the last until the video ends.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError

CONTAINERS = "mov,matroska,avi,mpeg"  # no playlists: they name other files
LARGEST = 1 << 26  # pixels of a frame; 8K has half as many
LONGEST = 24 * 3600.0  # seconds of a video
MISSING = 0.5  # seconds that a file may end before the end that it declares, beside 1 %

Image = NDArray[np.uint8]
"""``[height, width, 3]``, RGB."""


@dataclass(frozen=True)
class Timeline:
    """When a video plays, by its packets.

    Attributes:
        start: the timestamp at which the file begins to play, in seconds.
        duration: from there to the end of the last frame, in seconds.
    """

    start: Fraction
    duration: float


def snippets(duration: float, seconds: float) -> int:
    """How many snippets of about so many seconds share a video evenly; one at least."""
    return max(1, round(duration / seconds))


def measure(path: Path) -> Timeline:
    """The timeline of a video; reads all of the file and decodes nothing.

    Raises:
        BmnError: there is no such file; it is empty, damaged, of another kind, truncated or endless, or has no picture.
    """
    with _opened(path) as (container, stream):
        first = last = end = None
        for packet in container.demux(stream):
            time = packet.pts if packet.pts is not None else packet.dts
            if time is None or packet.is_discard:
                continue
            at = time * stream.time_base
            first = at if first is None else min(first, at)
            if last is None or at > last:
                length = (packet.duration or 0) * stream.time_base
                end = at + (length or (at - last if last is not None else 0))
                last = at
        if first is None or end is None:
            raise BmnError(f"{path}: holds no frame; encode it again")
        start = Fraction(container.start_time, av.time_base) if container.start_time is not None else first
        duration, declared = float(end - start), _declared_end(stream, first)
        if declared is not None and duration < 0.99 * (declared - float(start)) - MISSING:
            raise BmnError(
                f"{path}: is truncated, it declares {declared - float(start):.1f} s and ends after {duration:.1f} s; "
                "get it again"
            )
        if not 0 < duration <= LONGEST:
            raise BmnError(
                f"{path}: lasts {duration:g} s by its timestamps; more than 0 and at most {LONGEST:g} are allowed, "
                "cut it or write its timestamps anew"
            )
        return Timeline(start, duration)


def sample(path: Path, timeline: Timeline, count: int, size: int, threads: int = 1) -> Iterator[Image]:
    """The frames shown at ``count`` times, which share the video evenly: each in the middle of its share.

    Args:
        timeline: of this video (:func:`measure`).
        size: height and width that the whole frame is scaled to, turned as the file says it is to be shown.
        threads: that decode.

    Raises:
        BmnError: a frame cannot be decoded or is too large.
    """
    with _opened(path) as (container, stream):
        stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
        taken, shown = 0, None
        for frame in _decoded(path, container, stream):
            before = float(frame.pts * frame.time_base - timeline.start) * count / timeline.duration - 0.5
            if shown is not None and taken < before:  # it was shown at times that are asked for
                image = _image(shown, size)
                until = min(count, math.ceil(before))
                yield from repeat(image, until - taken)
                taken = until
            if taken == count:
                return
            shown = frame
        if shown is None:
            raise BmnError(f"{path}: holds no frame that can be decoded; encode it again")
        yield from repeat(_image(shown, size), count - taken)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """A container and its first video stream; what libav says of a damaged file becomes one sentence."""
    try:
        if not path.stat().st_size:
            raise BmnError(f"{path}: is empty; get it again")
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
        with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
            pictures = [stream for stream in container.streams.video if not _is_cover(stream)]
            if not pictures:
                raise BmnError(f"{path}: has no picture, only {_others(container)}; take it out")
            _check_size(path, pictures[0].codec_context.width, pictures[0].codec_context.height)
            yield container, pictures[0]
    except (av.error.FFmpegError, OSError, ValueError, MemoryError, EOFError, RuntimeError) as error:
        raise BmnError(f"{path}: cannot be decoded ({_words(error)}); get it again or encode it anew") from error


def _decoded(path: Path, container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    for packet in container.demux(stream):
        for frame in packet.decode():
            _check_size(path, frame.width, frame.height)
            if frame.pts is not None:
                yield frame


def _image(frame: av.VideoFrame, size: int) -> Image:
    small = frame.reformat(width=size, height=size, format="rgb24", interpolation="BILINEAR")
    turned: Image = np.rot90(small.to_ndarray(), round(frame.rotation / 90))
    return np.ascontiguousarray(turned)


def _declared_end(stream: av.VideoStream, first: Fraction) -> float | None:
    """The timestamp in seconds at which the file says that its pictures end."""
    if stream.duration:
        return float(first + stream.duration * stream.time_base)
    if "DURATION" in stream.metadata:  # Matroska's, 00:01:02.345, from timestamp 0
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    return None


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > LARGEST:
        raise BmnError(f"{path}: has frames of {width} × {height} pixels; at most {LARGEST} are allowed, scale it down")


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether it is a picture in a file of sound."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _others(container: av.container.InputContainer) -> str:
    return ", ".join(sorted({stream.type for stream in container.streams})) or "nothing that can be played"


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__).splitlines()[0]
