"""Signals ask a training to stop; it does so at the end of an iteration, where nothing is lost."""

import signal
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
