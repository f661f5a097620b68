"""A training is asked to stop by a signal; it does so where nothing is lost, at the end of an iteration."""

import signal
from types import FrameType

from bmn.launch.lifetime import ignore_signals

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Within its context SIGINT and SIGTERM are remembered instead of interrupting.

    One that came was heard: after the context others are ignored, for whoever asked may ask again.
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
        """Whether one has come."""
        return self.number is not None

    def _remember(self, number: int, _: FrameType | None) -> None:
        self.number = number
