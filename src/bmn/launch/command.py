"""How every command begins and ends: with good settings, and on bad input with one sentence instead of a traceback."""

import functools
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec

from bmn.base.errors import BmnError
from bmn.base.runtime import tune_process
from bmn.launch.lifetime import end_with_ancestors, ignore_signals

Arguments = ParamSpec("Arguments")


def command(main: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Give ``main`` the settings of :mod:`bmn.base.runtime`, and a :class:`BmnError` its sentence and exit code 1.

    SIGTERM unwinds it like an exception, so that temporary files go and runs are marked as failed; a second one, or
    any signal once ``main`` has ended, changes nothing. It ends with DVC or make, where one of these began it.
    """

    @functools.wraps(main)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        tune_process()
        signal.signal(signal.SIGTERM, _unwind)
        try:
            end_with_ancestors()
            main(*args, **kwargs)
        except BmnError as error:
            sys.exit("\n".join(f"error: {line}" for line in str(error).splitlines()))
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            ignore_signals()

    return wrapped


def _unwind(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)
