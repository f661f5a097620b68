"""What protects a served model from its clients: bounds on connections, bytes, time and work.

A client occupies the model only from when its request is complete until its answer is computed. Clients that are still
sending or receiving wait outside; if they are too many or hold too much memory, the oldest are cut off.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

from fastapi.responses import JSONResponse

from bmn.tracking.connections import Application, Clients, Full, Message, Receive, Scope, Send

LONGEST_REASON = 500  # characters of a refusal
PIECE = 2**16  # bytes of an answer handed to a socket at a time


@dataclass(frozen=True)
class Endpoint:
    """What answers the requests to a path, and their bounds.

    Attributes:
        application: what answers; ``scope["extensions"]["body"]`` is the body as a file.
        kinds: pattern of the content types that are taken.
        declaration: for the refusal of others.
        largest: bytes of a body.
        smaller: what makes it smaller, for the refusal of larger ones.
        seconds: for a body to arrive.
        store: makes the file in which a body is until it is answered.
        clients: bounds what is in those files.
        places: for the requests that are being answered; the others wait.
    """

    application: Application
    kinds: str
    declaration: str
    largest: int
    smaller: str
    seconds: float
    store: Callable[[], IO[bytes]]
    clients: Clients
    places: asyncio.Semaphore


class Gate:
    """An ASGI application that passes acceptable requests on to others, a few at a time.

    Args:
        endpoint: for requests to any other path than these.
        others: by their path.

    Attributes:
        clients: all that are sending or receiving.
        gave_up: whether a request was still being computed when the grace period ended.
    """

    def __init__(self, endpoint: Endpoint, others: Mapping[str, Endpoint]) -> None:
        self._endpoint, self._others = endpoint, others
        self.clients = endpoint.clients
        self.gave_up = False

    @property
    def at_work(self) -> int:
        """Complete requests that are not answered yet."""
        return sum(endpoint.clients.at_work for endpoint in (self._endpoint, *self._others.values()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._endpoint.application(scope, receive, send)
            return
        client: asyncio.Transport = scope["extensions"]["transport"]
        endpoint = self._others.get(scope["path"], self._endpoint)
        answer = _unacceptable(endpoint, scope)
        if answer is None:
            answer = await self._answer(endpoint, client, scope, receive)
        elif answer.status_code != 411:  # a client listens only once it has sent everything
            await self._read(endpoint, client, receive)
        self.clients.wait_for(client, len(answer.body))
        try:
            await _send(answer, send)
        finally:
            self.clients.forget(client)

    async def _answer(
        self, endpoint: Endpoint, client: asyncio.Transport, scope: Scope, receive: Receive
    ) -> JSONResponse:
        try:
            with endpoint.store() as body:
                if not await self._read(endpoint, client, receive, body):
                    return refusal(408, f"the request did not arrive within {endpoint.seconds:g} s; send it again")
                with endpoint.clients.keep(body.tell()):
                    body.seek(0)
                    return await self._compute(endpoint, client, scope, receive, body)
        except Full:
            return refusal(503, "too many requests are waiting; send it again later")
        except OSError as error:
            return refusal(503, f"the server cannot keep the request now ({error.strerror}); send it again later")

    async def _compute(
        self, endpoint: Endpoint, client: asyncio.Transport, scope: Scope, receive: Receive, body: IO[bytes]
    ) -> JSONResponse:
        extended = {**scope, "extensions": {**scope["extensions"], "body": body}}
        try:
            async with endpoint.places:
                if client.is_closing():
                    return refusal(408, "the client has left")  # nobody reads it
                return await _ask(endpoint.application, extended, receive, body)
        except asyncio.CancelledError:
            self.gave_up = True
            return refusal(503, "the server is stopping; send it again later")

    async def _read(
        self, endpoint: Endpoint, client: asyncio.Transport, receive: Receive, body: IO[bytes] | None = None
    ) -> bool:
        """Whether the body of a request arrives in time; it is written to a file, if one is given."""
        self.clients.wait_for(client)
        try:
            async with asyncio.timeout(endpoint.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return False
                    piece = message.get("body", b"")
                    if body is not None:
                        body.write(piece)
                        endpoint.clients.wait_for(client, len(piece))
                    if not message.get("more_body"):
                        return True
        except TimeoutError:
            return False
        finally:
            self.clients.forget(client)
            endpoint.clients.forget(client)


def _unacceptable(endpoint: Endpoint, scope: Scope) -> JSONResponse | None:
    """The refusal of a request by its headers; None if there is nothing against it."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if not (length.isdigit() and len(length) < 20):
        return refusal(411, "the request has no valid Content-Length; send one")
    if int(length) > endpoint.largest:
        sentence = f"the request has {int(length)} bytes; at most {endpoint.largest} are allowed, {endpoint.smaller}"
        return refusal(413, sentence)
    if not re.fullmatch(endpoint.kinds, kind.decode("latin-1")):
        return refusal(415, f"the request is not declared as {endpoint.declaration}")
    return None


async def _ask(application: Application, scope: Scope, receive: Receive, body: IO[bytes]) -> JSONResponse:
    """The complete answer of an application; of a refusal only the reason, without the arrays that MLflow dumps."""
    given, status, found = False, 500, bytearray()

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()  # that the client has disconnected
        given = True
        return {"type": "http.request", "body": body.read(), "more_body": False}

    async def take(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        found.extend(message.get("body", b""))

    await application(scope, give, take)
    if status >= 400:
        return refusal(status, _reason(found.decode(errors="replace")))
    answer = JSONResponse(None)
    answer.body = bytes(found)
    answer.init_headers()
    return answer


async def _send(answer: JSONResponse, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    for first in range(0, len(answer.body), PIECE):
        await send({"type": "http.response.body", "body": answer.body[first : first + PIECE], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def refusal(status: int, sentence: str) -> JSONResponse:
    """A refusal in MLflow's format; it ends the connection."""
    content = {"error_code": "BAD_REQUEST", "message": sentence}
    return JSONResponse(content, status, headers={"Connection": "close"})


def _reason(answer: str) -> str:
    try:
        message = str(json.loads(answer)["message"])
    except (ValueError, TypeError, KeyError):  # plain text
        message = answer
    if message.startswith("Failed to predict data"):
        message = message.rpartition("Error: ")[2]
    return message[:LONGEST_REASON]  # some messages quote the whole request
