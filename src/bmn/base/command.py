"""How every command begins and ends: with good settings, and on bad input with one sentence instead of a traceback."""

import functools
import signal
import sys
from collections.abc import Callable
from typing import ParamSpec

from bmn.base.errors import BmnError
from bmn.base.runtime import tune_process

Arguments = ParamSpec("Arguments")


def unwind_on_sigterm() -> None:
    """SIGTERM becomes SystemExit. To be said again by who imports Paddle later: it takes the signal for itself."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def command(main: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Give ``main`` the settings of :mod:`bmn.base.runtime`, and a :class:`BmnError` its sentence and exit code 1.

    SIGTERM unwinds it like an exception, so that temporary files go and runs are marked as failed.
    """

    @functools.wraps(main)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        tune_process()
        unwind_on_sigterm()
        try:
            main(*args, **kwargs)
        except BmnError as error:
            sys.exit("\n".join(f"error: {line}" for line in str(error).splitlines()))
        except KeyboardInterrupt:
            sys.exit(130)

    return wrapped
