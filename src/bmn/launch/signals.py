"""Signals that stop a command where nothing is lost: a training between iterations, others between what they write."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bmn.launch.lifetime import ignore_signals

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Within its context SIGINT and SIGTERM are recorded instead of interrupting.

    If one came, further ones are ignored after the context too, since the sender may repeat it.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    def __enter__(self) -> "StopRequest":
        self._before = {number: signal.signal(number, self._remember) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.came():
            ignore_signals()

    def came(self) -> bool:
        """Whether a signal has been received."""
        return self.number is not None

    def _remember(self, number: int, _: FrameType | None) -> None:
        self.number = number


@contextmanager
def postponed() -> Iterator[None]:
    """SIGINT and SIGTERM do not interrupt this context; the first that comes is raised again at its end.

    For transactions: the exception of an interrupt would keep one open in its traceback, with the lock of SQLite.
    Outside the main thread, which alone receives signals, it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
