"""``python -m bmn.runtimes.trial PROGRAM``: open a program and run it once, where a crash does no harm.

A damaged program can crash a runtime, or demand any amount of memory or time.
"""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from bmn.base.errors import BmnError
from bmn.base.runtime import child_environment
from bmn.runtimes.descriptions import describe
from bmn.runtimes.engines import open_engine

SECONDS = 120  # of processor time, all threads together; a BMN of the published size takes a few
WAIT = 900  # seconds for that on a busy machine
MEMORY = 4 << 30  # bytes; a BMN of the published size takes half a GiB
REFUSED = 3  # exit code: the reason is the last line on stderr


def try_out(program: Path) -> None:
    """Open and run a program once on the CPU, in a separate process that cannot write files.

    Raises:
        BmnError: it is refused, crashes, needs more than ``SECONDS``, ``WAIT`` or ``MEMORY``, or does not return maps
            of probabilities.
    """
    describe(program)  # cheap, and refuses most without a process
    words = [sys.executable, "-m", "bmn.runtimes.trial", str(program)]
    try:
        done = subprocess.run(
            words, env=child_environment(), capture_output=True, text=True, errors="replace", check=False,
            timeout=WAIT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BmnError(
            f"{program}: does not finish within {WAIT} s; try again when the machine is less busy"
        ) from error
    if done.returncode == REFUSED:
        raise BmnError(done.stderr.splitlines()[-1])
    if done.returncode == -signal.SIGXCPU:
        raise BmnError(f"{program}: needs more than {SECONDS} s of processor time; it is damaged, export it again")
    if done.returncode != 0:
        reason = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
        raise BmnError(f"{program}: crashes its runtime ({reason}); it is damaged, export it again")


def main() -> None:
    """Try one program."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))  # the first ends it by SIGXCPU, the second surely
    for limit, most in (
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    try:
        opened = open_engine(Path(sys.argv[1]))
        maps = opened.run(np.zeros((1, opened.channels, opened.tscale), np.float32))
        if not all(((map_ >= 0) & (map_ <= 1)).all() for map_ in maps):
            raise BmnError(f"{sys.argv[1]}: returns values outside 0 to 1, or NaN; its weights are damaged")
    except BmnError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
