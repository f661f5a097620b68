"""Connections of clients that may be slow, deaf or many: they are waited for, but not for long, nor at any cost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # for the headers of a request
ANSWER_SECONDS = 30.0  # to receive the answer, from when the socket buffer is full

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Full(Exception):
    """No further request can be kept."""


class Clients:
    """Clients that are still sending or receiving, and what is held for them and for complete requests.

    Args:
        most: clients that are waited for, and as many complete requests.
        largest: bytes that are held in all.

    Attributes:
        at_work: complete requests that are not answered yet.
    """

    def __init__(self, most: int, largest: int) -> None:
        self._most, self._largest = most, largest
        self._waited_for: dict[asyncio.Transport, int] = {}  # the oldest first, with the bytes held for each
        self._bytes = 0
        self.at_work = 0

    def __contains__(self, client: asyncio.Transport) -> bool:
        """Whether a client is still sending or receiving."""
        return client in self._waited_for

    def wait_for(self, client: asyncio.Transport, size: int = 0) -> None:
        """Wait for a client, and hold ``size`` more bytes for it; if it gets too much, cut off the oldest clients."""
        self._waited_for[client] = self._waited_for.get(client, 0) + size
        self._bytes += size
        while self._waited_for and (len(self._waited_for) > self._most or self._bytes > self._largest):
            oldest = next(iter(self._waited_for))
            self.forget(oldest)
            oldest.abort()

    def forget(self, client: asyncio.Transport) -> None:
        """No longer wait for a client, nor hold anything for it."""
        self._bytes -= self._waited_for.pop(client, 0)

    @contextmanager
    def keep(self, size: int) -> Iterator[None]:
        """Hold a complete request of so many bytes until it is answered.

        Raises:
            Full: too much is held already.
        """
        if self.at_work >= self._most or self._bytes + size > self._largest:
            raise Full
        self._bytes += size
        self.at_work += 1
        try:
            yield
        finally:
            self._bytes -= size
            self.at_work -= 1


class Connection(H11Protocol):
    """uvicorn's connection, which is cut if its client is too slow to send headers or to receive an answer.

    The application has ``clients``, the :class:`Clients` that are waited for.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._application: Any = self.app
        self._clients: Clients = self.app.clients
        self.app = self._with_transport
        self._clients.wait_for(transport)
        self._within(HEAD_SECONDS)

    async def _with_transport(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application({**scope, "extensions": {"transport": self.transport}}, receive, send)

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
            self._clients.wait_for(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._cancel()
        self._clients.forget(self.transport)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server is stopping: do not wait for an incomplete request."""
        if self._has_request() and not self.cycle.response_started and self.transport in self._clients:
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
