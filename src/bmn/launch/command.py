"""What wraps every command: fast settings, and one sentence instead of a traceback on bad input."""

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec

from bmn.base.errors import BmnError
from bmn.base.runtime import tune_process
from bmn.launch.lifetime import end_with_ancestors, ignore_signals

Arguments = ParamSpec("Arguments")


def command(main: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Run ``main`` with the settings of :mod:`bmn.base.runtime`; a :class:`BmnError` is printed and exits with code 1.

    SIGTERM unwinds it like an exception, so that temporary files are removed and runs are marked as failed; a second
    one, or any signal once ``main`` has ended, is ignored. If DVC or make started it, it ends with them.
    """

    @functools.wraps(main)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        tune_process()
        signal.signal(signal.SIGTERM, _unwind)
        before, sys.unraisablehook = sys.unraisablehook, _repeat
        try:
            end_with_ancestors()
            main(*args, **kwargs)
        except BmnError as error:
            sys.exit("\n".join(f"error: {line}" for line in str(error).splitlines()))
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            ignore_signals()
            sys.unraisablehook = before

    return wrapped


def _unwind(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _repeat(ignored: "sys.UnraisableHookArgs") -> None:
    """Where Python ignores exceptions (finalizers, callbacks of a fork) a signal's is lost too: send it once more."""
    match ignored.exc_value:
        case KeyboardInterrupt():
            number = signal.SIGINT
        case SystemExit(code=code) if code == 128 + signal.SIGTERM:
            number = signal.SIGTERM
            signal.signal(number, _unwind)
        case _:
            sys.__unraisablehook__(ignored)
            return
    later = threading.Timer(0.05, os.kill, (os.getpid(), number))
    later.daemon = True
    later.start()
