"""Segments of a video as videos of their own."""

from fractions import Fraction
from pathlib import Path

import av

from bmn.base.errors import BmnError
from bmn.base.files import atomic_file
from bmn.video.decode import measure

TICKS = 90_000  # a second


def cut_segment(video: Path, start: float, end: float, path: Path) -> None:
    """Write the pictures from ``start`` to ``end`` (seconds) as an ``.mp4``, without sound.

    Raises:
        BmnError: the video cannot be decoded.
    """
    zero = measure(video).start
    with atomic_file(path) as temporary:
        try:
            _cut(video, float(zero) + start, float(zero) + end, temporary)
        except (av.error.FFmpegError, ValueError) as error:
            raise BmnError(f"{video}: cannot be cut from {start:.1f} s to {end:.1f} s ({error})") from error


def _cut(video: Path, start: float, end: float, path: Path) -> None:
    with av.open(f"file:{video}") as source, av.open(f"file:{path}", "w", format="mp4") as target:
        shown = source.streams.video[0]
        written = target.add_stream("libx264", rate=shown.average_rate or 25)
        written.width, written.height = shown.width // 2 * 2, shown.height // 2 * 2
        written.pix_fmt, written.time_base = "yuv420p", Fraction(1, TICKS)
        written.codec_context.time_base = Fraction(1, TICKS)
        source.seek(round(start / shown.time_base), stream=shown)
        last = -1
        for frame in source.decode(shown):
            if frame.pts is None or frame.time < start:
                continue
            if frame.time >= end:
                break
            if last < 0 and frame.rotation:
                written.set_display_rotation(frame.rotation)
            small = frame.reformat(written.width, written.height, "yuv420p")
            small.pts, small.time_base = max(round((frame.time - start) * TICKS), last + 1), Fraction(1, TICKS)
            last = small.pts
            target.mux(written.encode(small))
        target.mux(written.encode())
