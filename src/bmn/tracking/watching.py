"""``POST /videos``: the bytes of a video in, its proposals out, as ``bmn propose`` writes them.

A video is decoded in a process of its own. Until it is answered it lies in a file without a name, which the system
removes even if the server is killed.
"""

import asyncio
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import IO

from fastapi.responses import JSONResponse

from bmn.base.errors import BmnError
from bmn.base.runtime import threads
from bmn.predict.predictor import Predictor
from bmn.predict.videos import Watched, contents, extractor_of
from bmn.tracking.connections import Application, Clients, Receive, Scope, Send
from bmn.tracking.gate import Endpoint, refusal
from bmn.video.decoder import Bounds
from bmn.video.extract import Lane

PATH = "/videos"
LARGEST = 256 * 2**20  # bytes of a video
KEPT = 16  # videos that may be arriving, and that may wait
LARGEST_SUM = 8 * LARGEST  # bytes of all videos in files
SECONDS = 120.0  # for a video to arrive
BOUNDS = Bounds(duration=3600, seconds=600)


class Videos:
    """An ASGI application that answers with the proposals of a video.

    Args:
        lane: makes its features.
        predictor: makes its proposals.
        alone: is held while the predictor computes.
    """

    def __init__(self, lane: Lane, predictor: Predictor, alone: Lock) -> None:
        self._lane, self._predictor, self._alone = lane, predictor, alone
        self._thread = ThreadPoolExecutor(1)  # a video takes long, and must not keep other requests from theirs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body: IO[bytes] = scope["extensions"]["body"]
        answer = await asyncio.get_running_loop().run_in_executor(self._thread, self._watch, body.fileno())
        await answer(scope, receive, send)

    def _watch(self, file: int) -> JSONResponse:
        path = Path(f"/proc/{os.getpid()}/fd/{file}")
        try:
            features = self._lane.extract(path)
        except BmnError as error:
            return refusal(400, f"the video {str(error).removeprefix(f'{path}: ')}")
        with self._alone:
            found = self._predictor.watch(features.array, features.duration)
        return JSONResponse(contents(Watched(path, features.duration, *found)))


def videos_endpoint(predictor: Predictor, alone: Lock) -> Endpoint:
    """What answers videos; it refuses all where the model was not trained on videos, or its backbone is gone.

    Args:
        predictor, alone: see :class:`Videos`.
    """
    return Endpoint(
        _application(predictor, alone),
        kinds=r"video/.+|application/octet-stream",
        declaration="a video; send it with Content-Type: video/mp4",
        largest=LARGEST,
        smaller="cut the video or encode it smaller",
        seconds=SECONDS,
        store=tempfile.TemporaryFile,
        clients=Clients(KEPT, LARGEST_SUM),
        places=asyncio.Semaphore(1),
    )


def _application(predictor: Predictor, alone: Lock) -> Application:
    if predictor.extractor is None:
        return refusal(400, "this model was not trained on videos; send features to /invocations")
    try:
        lane = Lane(extractor_of(predictor, None, "cpu", Path()), threads(), BOUNDS)
    except BmnError as error:
        print(f"videos will be refused: {error}", file=sys.stderr)  # it names paths, which clients need not know
        return refusal(400, "this server lacks the backbone of its model; send features to /invocations")
    return Videos(lane, predictor, alone)
