"""How long a process lives: not longer than what began it, however that ends, and not disturbed on its way out.

The processes that began a command are known by what they leave in its environment: DVC names the stage, make its
level, the supervisor of a training itself. This is Linux's; elsewhere a command ends by signals alone. One thing cannot
be seen: that DVC ended before the command looked, in a container whose first process is of the same session.
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

GRACE = 10.0  # seconds from being asked to end to being killed
SUPERVISOR = "BMN_SUPERVISOR"  # in the environment of what a supervisor starts: its process id
_MARKS = ("DVC_STAGE", "MAKELEVEL", SUPERVISOR)
_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> Callable[[], None]:
    """What a new process calls to be killed when its parent ends: ``Popen(..., preexec_fn=die_with(os.getpid()))``.

    The thread that starts the process must live as long as the process may: to the system, that is the parent.
    """
    libc = ctypes.CDLL(None)  # before the fork

    def bind() -> None:
        if sys.platform == "linux":
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died in between
                os.kill(os.getpid(), signal.SIGKILL)

    return bind


def end_with_ancestors() -> None:
    """From now on end this process when DVC, make, a supervisor or a shell between ends that it was begun by.

    It gets a SIGTERM, and a SIGKILL where it still lives ``GRACE`` seconds later.

    Raises:
        BmnError: one of them has ended already.
    """
    if sys.platform != "linux":
        return
    if SUPERVISOR in os.environ:
        # The system alone can end it then: Paddle keeps every thread waiting while processes look for each other.
        die_with(os.getppid())()
    try:
        ancestors = _ancestors()
    except ProcessLookupError as error:
        raise BmnError(
            f"what began this command has ended already; begin it anew, in a daemon without the environment variables "
            f"{', '.join(_MARKS)}"
        ) from error
    if ancestors:
        threading.Thread(target=_end_with, args=[ancestors], name="lifetime", daemon=True).start()


def ignore_signals() -> None:
    """Be asked to end no more: this process is on its way out, and an exception could only cut it short."""
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
    """Handles (pidfd) of the parent, its parent and so on, up to the first that nobody has left a mark on.

    Raises:
        ProcessLookupError: one has ended, and another process has taken its place.
    """
    found: list[int] = []
    child, marks = os.getpid(), _marks(os.getpid())
    while marks and (parent := _parent(child)):
        found.append(os.pidfd_open(parent))
        theirs = _marks(parent)
        # Only who leads a session can have its parent in another one; and a supervisor is known by its number.
        alone = os.getsid(child) not in (child, os.getsid(parent))
        changed = marks.get(SUPERVISOR) not in (None, str(parent), theirs.get(SUPERVISOR))
        if alone or changed or _parent(child) != parent:
            raise ProcessLookupError(child)
        child, marks = parent, theirs
    return found


def _parent(process: int) -> int:
    """The process id of a parent; 0 where it is outside of this container."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def _marks(process: int) -> dict[str, str]:
    """The marks on a process; none on that of another user."""
    try:
        entries = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    environment = dict(os.fsdecode(entry).partition("=")[::2] for entry in entries)
    return {name: environment[name] for name in _MARKS if name in environment}
