"""Videos whose truth is known: the brightness of a frame tells the second, up to 10, at which it is shown."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BLACK, STEP = 20, 20  # the brightness at second 0, and how much it grows a second


def film(path: Path, times=None, *, seconds=10, codec="libx264", size=(64, 48), start=0.0, options=None, sound=None,
         turned=0, draw=None) -> Path:  # fmt: skip
    """Write a video.

    Args:
        times: seconds at which frames are shown; 10 a second by default.
        start: is added to the timestamps, not to the brightness.
        sound: seconds of silence beside the pictures.
        turned: degrees that a player turns the picture by.
        draw: (second) -> ``[height, width, 3]``, uint8; grey by default.
    """
    times = np.arange(0, seconds, 0.1) if times is None else times
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = 4_000_000
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        if turned:
            stream.set_display_rotation(turned)
        voice = container.add_stream("aac" if path.suffix != ".webm" else "libopus", rate=48000) if sound else None
        for time in times:
            grey = np.full((size[1], size[0], 3), brightness(time), np.uint8)
            frame = av.VideoFrame.from_ndarray(grey if draw is None else draw(time), format="rgb24")
            frame.pts, frame.time_base = round((time + start) * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if voice:
            for number in range(round(sound * 48000 / 960)):
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 48000, number * 960
                container.mux(voice.encode(frame))
            container.mux(voice.encode())
    return path


def brightness(time: float) -> int:
    return min(round(BLACK + STEP * time), 255)


def second(image) -> float:
    """The second at which an image of such a video was shown."""
    return (float(image.mean()) - BLACK) / STEP
