"""What jobs of these tests do."""

import contextlib
import os
import signal
import time
from pathlib import Path

from bmn.base.errors import BmnError


def count(arguments, tell):
    """Tells 0, 1, …; gives the sum."""
    print("this goes to the log")
    for number in range(arguments["to"]):
        tell({"number": number})
        time.sleep(arguments.get("seconds", 0))
    return sum(range(arguments["to"]))


def wait(arguments, tell):
    """Tells that it waits for a file; gives its name."""
    tell({})
    while not Path(arguments["file"]).exists():
        time.sleep(0.05)
    return arguments["file"]


def refuse(arguments, tell):
    raise BmnError(f"{arguments['what']}: is wrong")


def crash(arguments, tell):
    raise KeyError("no such thing")


def die(arguments, tell):
    """Kills itself, at the first so many calls."""
    calls = Path(arguments["calls"])
    with open(calls, "a") as file:
        file.write("x")
    if len(calls.read_text()) <= arguments["times"]:
        os.kill(os.getpid(), 9)
    return len(calls.read_text())


def end_well(arguments, tell):
    """Waits to be asked to end, and notes by what."""
    numbers = []
    signal.signal(signal.SIGTERM, lambda number, frame: numbers.append(number))
    tell({})
    while not numbers:
        time.sleep(0.01)
    Path(arguments["file"]).write_text(str(int(numbers[0])))


def tell_much(arguments, tell):
    """Tells more than Ray's object store holds."""
    tell({"text": "x" * arguments["bytes"]})


def square(arguments, tell):
    """Tells the square of each item, and something more; the first process that finds the file ``once`` dies of it."""
    for item in arguments["items"]:
        if item == arguments.get("refused"):
            raise BmnError(f"{item}: is odd to us")
        tell({"item": item, "square": item * item + arguments["plus"], "process": os.getpid()})
        if "once" in arguments:
            with contextlib.suppress(FileNotFoundError):
                Path(arguments["once"]).unlink()  # of several only one can
                os.kill(os.getpid(), signal.SIGKILL)
