"""What protects a served model from its clients: bounds on connections, bytes, time and work.

A client occupies the model only from when its request is complete until its answer is computed. Clients that are still
sending or receiving wait outside; if they are too many or hold too much memory, the oldest are cut off.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import h11
from fastapi.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # for the headers of a request
BODY_SECONDS = 30.0  # for its body
ANSWER_SECONDS = 30.0  # to receive the answer, from when the socket buffer is full
CONNECTIONS = 512  # clients that may be sending or receiving
LARGEST_BODY = 32 * 2**20  # bytes; about forty videos of the published size
LARGEST_SUM = 8 * LARGEST_BODY  # bytes of all requests and answers in memory
AT_ONCE = 2  # requests in the model: one is computed while the next is parsed
LONGEST_REASON = 500  # characters of a refusal
PIECE = 2**16  # bytes of an answer handed to a socket at a time

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Gate:
    """An ASGI application that passes acceptable requests on to another one, a few at a time.

    Args:
        application: what answers requests.

    Attributes:
        at_work: complete requests that are not answered yet.
        gave_up: whether a request was still being computed when the grace period ended.
    """

    def __init__(self, application: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._application = application
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waited_for: dict[asyncio.Transport, int] = {}  # the oldest first, with the bytes held for each
        self._bytes = 0
        self.at_work = 0
        self.gave_up = False

    def wait_for(self, client: asyncio.Transport, size: int = 0) -> None:
        """Wait for a client, and hold ``size`` more bytes for it; if it gets too much, cut off the oldest clients."""
        self._waited_for[client] = self._waited_for.get(client, 0) + size
        self._bytes += size
        while self._waited_for and (len(self._waited_for) > CONNECTIONS or self._bytes > LARGEST_SUM):
            oldest = next(iter(self._waited_for))
            self.forget(oldest)
            oldest.abort()

    def forget(self, client: asyncio.Transport) -> None:
        """No longer wait for a client, nor hold anything for it."""
        self._bytes -= self._waited_for.pop(client, 0)

    def waits_for(self, client: asyncio.Transport) -> bool:
        """Whether a client is still sending or receiving."""
        return client in self._waited_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._application(scope, receive, send)
            return
        client: asyncio.Transport = scope["extensions"]["transport"]
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if not (length.isdigit() and len(length) < 20):
            answer = refusal(411, "the request has no valid Content-Length; send one")
        elif int(length) > LARGEST_BODY:
            sentence = f"the request has {int(length)} bytes; at most {LARGEST_BODY} are allowed, send fewer videos"
            await self._read(client, receive, keep=False)  # a client listens only once it has sent everything
            answer = refusal(413, sentence)
        elif kind != b"application/json":
            await self._read(client, receive, keep=False)
            answer = refusal(415, "the request is not declared as JSON; send it with Content-Type: application/json")
        else:
            answer = await self._answer(client, scope, receive)
        self.wait_for(client, len(answer.body))
        try:
            await _send(answer, send)
        finally:
            self.forget(client)

    async def _answer(self, client: asyncio.Transport, scope: Scope, receive: Receive) -> JSONResponse:
        body = await self._read(client, receive)
        if body is None:
            return refusal(408, f"the request did not arrive within {BODY_SECONDS:g} s; send it again")
        if self._bytes + len(body) > LARGEST_SUM:
            return refusal(503, "too many requests are waiting; send it again later")
        self._bytes += len(body)
        self.at_work += 1
        try:
            async with self._places:
                return await _ask(self._application, scope, receive, body)
        except asyncio.CancelledError:
            self.gave_up = True
            return refusal(503, "the server is stopping; send it again later")
        finally:
            self._bytes -= len(body)
            self.at_work -= 1

    async def _read(self, client: asyncio.Transport, receive: Receive, keep: bool = True) -> bytes | None:
        """The body of a request; None if it does not arrive in time."""
        self.wait_for(client)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    if keep:
                        body += message.get("body", b"")
                        self.wait_for(client, len(message.get("body", b"")))
                    if not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            return None
        finally:
            self.forget(client)


async def _ask(application: Any, scope: Scope, receive: Receive, body: bytes) -> JSONResponse:
    """The complete answer of an application; of a refusal only the reason, without the arrays that MLflow dumps."""
    given, status, found = False, 500, bytearray()

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()  # that the client has disconnected
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

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


class Connection(H11Protocol):
    """uvicorn's connection, which is cut if its client is too slow to send headers or to receive an answer."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self.gate: Gate = self.app
        self.app = self._with_transport
        self.gate.wait_for(transport)
        self._within(HEAD_SECONDS)

    async def _with_transport(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.gate({**scope, "extensions": {"transport": self.transport}}, receive, send)

    def data_received(self, data: bytes) -> None:
        """Process what has arrived; complete headers end their deadline."""
        self._within(HEAD_SECONDS)
        super().data_received(data)
        if self._has_request():
            self._cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP; a request before it on this connection has lost its client."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The client receives its answer too slowly."""
        super().pause_writing()
        self._within(ANSWER_SECONDS)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._cancel()
        super().on_response_complete()
        if not self.transport.is_closing():
            self.gate.wait_for(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._cancel()
        self.gate.forget(self.transport)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server is stopping: do not wait for an incomplete request."""
        if self._has_request() and not self.cycle.response_started and self.gate.waits_for(self.transport):
            self.transport.abort()
        super().shutdown()

    def _has_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _within(self, seconds: float) -> None:
        """Cut the connection after ``seconds``, unless a deadline is set already."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
