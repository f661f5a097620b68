"""The lifetime of a process: no longer than that of its ancestors, however they end, and undisturbed while exiting.

The ancestors of a command are recognized by what they set in its environment: DVC the stage, make its level, the
supervisor of a training its process id. This works on Linux; elsewhere a command is ended by signals alone. One case
cannot be detected: DVC ended before the command checked, in a container whose first process is in the same session.
"""

import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bmn.base.errors import BmnError

GRACE = 10.0  # seconds between SIGTERM and SIGKILL
SUPERVISOR = "BMN_SUPERVISOR"  # environment variable with the supervisor's process id
_MARKS = ("DVC_STAGE", "MAKELEVEL", SUPERVISOR)
_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> Callable[[], None]:
    """Have a new process killed when its parent ends: ``Popen(..., preexec_fn=die_with(os.getpid()))``.

    The thread that starts the process must outlive it, because to the kernel that thread is the parent.
    """
    libc = ctypes.CDLL(None)  # before the fork

    def bind() -> None:
        if sys.platform == "linux":
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # died in between
                os.kill(os.getpid(), signal.SIGKILL)

    return bind


def end_with_ancestors() -> None:
    """End this process when the DVC, make or supervisor that started it ends, or a shell in between.

    It gets a SIGTERM, and a SIGKILL if it is still alive ``GRACE`` seconds later.

    Raises:
        BmnError: one of them has already ended.
    """
    if sys.platform != "linux":
        return
    if SUPERVISOR in os.environ:
        # Only the kernel can end it then: Paddle blocks every thread while processes connect to each other.
        die_with(os.getppid())()
    try:
        ancestors = _ancestors()
    except ProcessLookupError as error:
        raise BmnError(
            f"the process that started this command has ended; start it again, in a daemon without the environment "
            f"variables {', '.join(_MARKS)}"
        ) from error
    if ancestors:
        threading.Thread(target=_end_with, args=[ancestors], name="lifetime", daemon=True).start()


def ignore_signals() -> None:
    """Ignore SIGINT and SIGTERM: this process is exiting, and an exception would only cut its cleanup short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _end_with(ancestors: list[int]) -> None:
    poll = select.poll()
    for handle in ancestors:
        poll.register(handle, select.POLLIN)
    poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def _ancestors() -> list[int]:
    """File descriptors (pidfd) of the parent, its parent and so on, up to the first without a mark.

    Raises:
        ProcessLookupError: one has ended, and another process has become the parent.
    """
    found: list[int] = []
    child, marks = os.getpid(), _marks(os.getpid())
    while marks and (parent := _parent(child)):
        found.append(os.pidfd_open(parent))
        theirs = _marks(parent)
        # Only a session leader can have its parent in another session; and a supervisor is known by its process id.
        alone = os.getsid(child) not in (child, os.getsid(parent))
        changed = marks.get(SUPERVISOR) not in (None, str(parent), theirs.get(SUPERVISOR))
        if alone or changed or _parent(child) != parent:
            raise ProcessLookupError(child)
        child, marks = parent, theirs
    return found


def _parent(process: int) -> int:
    """The process id of the parent; 0 if it is outside this container."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def _marks(process: int) -> dict[str, str]:
    """The marks in a process's environment; none if it belongs to another user."""
    try:
        entries = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    environment = dict(os.fsdecode(entry).partition("=")[::2] for entry in entries)
    return {name: environment[name] for name in _MARKS if name in environment}
