"""A process that decodes: what kills it, stops it or fills its memory ends one video with one sentence, and no more.

It is asked for a video with a line of JSON, and answers with the video's timeline and then its frames. It decodes some
of them ahead, so that it works while the network does; where nobody reads it waits.
"""

import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.prefetch import prefetch

PATIENCE = 60  # seconds of processor time, for each thread, without a frame; a slow disk or busy machine costs none
MEMORY = 4 << 30  # bytes of address space
AHEAD = 16 << 20  # bytes of frames that wait to be read
IMAGE, REFUSAL = b"I", b"R"  # what an answer begins with


@dataclass(frozen=True)
class Wanted:
    """How the frames of a video are taken.

    Attributes:
        seconds: that a snippet lasts, about: snippets share the video evenly.
        frames: of a snippet.
        size: height and width that a frame is scaled to.
    """

    seconds: float
    frames: int
    size: int


@dataclass(frozen=True)
class Bounds:
    """What a video may cost.

    Attributes:
        duration: seconds that it may last.
        seconds: that may pass until all of its images have been taken.
    """

    duration: float = math.inf
    seconds: float = math.inf


UNBOUNDED = Bounds()


@dataclass(frozen=True)
class Decoded:
    """A video while it is decoded.

    Attributes:
        duration: in seconds.
        snippets: how many there are.
        images: of each snippet in turn ``[frame, height, width, 3]``, RGB.
    """

    duration: float
    snippets: int
    images: Iterator[NDArray[np.uint8]]


class Decoder:
    """A process that decodes one video after the other; it is started again when it died.

    Args:
        threads: that decode.
        bounds: of each video.
    """

    def __init__(self, threads: int = 1, bounds: Bounds = UNBOUNDED) -> None:
        self._threads, self._bounds = threads, bounds
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process unless it runs, so that it is ready when a video comes."""
        if self._process is not None and self._process.poll() is not None:
            self.close()  # it died while it had nothing to do
        if self._process is None:
            words = [sys.executable, "-m", "bmn.video.decoder", str(self._threads)]
            self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def open(self, path: Path, wanted: Wanted) -> Decoded:
        """Decode a video; the one before it must have been read to its end, or be left for good.

        Raises:
            BmnError: it is no video, is damaged, endless or out of bounds, or ends the process; while images are taken,
                too.
        """
        until = time.monotonic() + self._bounds.seconds
        process = self.start()
        request = {"path": str(path), "seconds": wanted.seconds, "frames": wanted.frames, "size": wanted.size}
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has died since: the answer, which is none, says how
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        answer = self._answer(path, IMAGE)
        duration, snippets = json.loads(answer)
        if duration > self._bounds.duration:
            self.close()
            raise BmnError(f"{path}: lasts {duration:.0f} s; at most {self._bounds.duration:.0f} are allowed, cut it")
        return Decoded(duration, snippets, self._images(path, snippets, wanted, until))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _images(self, path: Path, snippets: int, wanted: Wanted, until: float) -> Iterator[NDArray[np.uint8]]:
        shape = wanted.frames, wanted.size, wanted.size, 3
        whole = not snippets
        try:
            for left in reversed(range(snippets)):
                if time.monotonic() > until:
                    raise BmnError(f"{path}: takes more than {self._bounds.seconds:.0f} s; cut it or encode it smaller")
                image = np.frombuffer(self._answer(path, IMAGE), np.uint8).reshape(shape)
                whole = not left  # whoever takes the last one need not ask for more
                yield image
        finally:
            if not whole:  # what it has yet to say is of no use
                self.close()

    def _answer(self, path: Path, kind: bytes) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        given = self._process.stdout.read(1)
        length = int.from_bytes(self._process.stdout.read(8), "little")
        answer = self._process.stdout.read(length)
        if given == kind and len(answer) == length:
            return answer
        if given == REFUSAL:
            raise BmnError(answer.decode())
        ended = -self._process.wait()
        self.close()
        late = f"gives no frame in {PATIENCE} s of processor time"
        reason = late if ended == signal.SIGPROF else f"ends the decoder ({_name(ended)})"
        raise BmnError(f"{path}: {reason}; get it again or encode it anew")


def _bytes_of(images: Iterator[NDArray[np.uint8]], frames: int, snippet: int) -> bytes:
    return b"".join(image.tobytes() for image in islice(images, frames))


def _name(number: int) -> str:
    return signal.Signals(number).name if number in {*signal.Signals} else f"exit code {-number}"


def _serve(threads: int, asked: IO[bytes], answers: IO[bytes]) -> None:
    """What the process does."""
    from bmn.video.decode import measure, sample, snippets

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    allow = partial(signal.setitimer, signal.ITIMER_PROF)  # seconds of processor time, after which SIGPROF ends it

    def answer(kind: bytes, content: bytes) -> None:
        allow(0)  # without end: who reads may take as long as it likes
        answers.write(kind + len(content).to_bytes(8, "little") + content)
        answers.flush()
        allow(PATIENCE * threads)

    for line in asked:
        allow(PATIENCE * threads)
        wanted = json.loads(line)
        path = Path(wanted["path"])
        try:
            timeline = measure(path)
            count = snippets(timeline.duration, wanted["seconds"])
            answer(IMAGE, json.dumps([timeline.duration, count]).encode())
            frames = wanted["frames"]
            images = sample(path, timeline, count * frames, wanted["size"], threads)
            take = partial(_bytes_of, images, frames)
            for snippet in prefetch(take, range(count), max(1, AHEAD // (frames * wanted["size"] ** 2 * 3))):
                answer(IMAGE, snippet)
        except BmnError as error:
            answer(REFUSAL, str(error).encode())
        allow(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as pipe:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing else may write to the pipe
        _serve(int(sys.argv[1]), sys.stdin.buffer, pipe)
