"""``python -m hostile.attacker KIND SEED FIRST LAST SAMPLES WORK``: hostile inputs, a line of JSON on each.

Run by :mod:`hostile.campaign`, and by hand to see one again: its traceback is printed, and the input stays in WORK.
"""

import json
import os
import random
import re
import resource
import shutil
import sys
import traceback
from pathlib import Path

from hostile.judge import Garbage
from hostile.kinds import KINDS

from bmn.base.errors import BmnError

MEMORY = 4 << 30
FORBIDDEN = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "ctypes.dlopen")
OURS = {"bmn.runtimes.trial", "bmn.video.decoder"}  # processes that open hostile files
WRITES = {"os.mkdir": 0, "os.remove": 0, "os.rename": 1, "os.symlink": 1, "os.link": 1, "os.rmdir": 0, "os.truncate": 0}


class Watch:
    """Notes what Python itself is asked to do that no input may make it do."""

    def __init__(self, work):
        self.work, self.seen, self.on = work.resolve(), [], False
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if not self.on:
            return
        path = None
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            path = arguments[0]
        elif event in WRITES:
            path = arguments[WRITES[event]]
        elif event in FORBIDDEN or (event == "subprocess.Popen" and OURS.isdisjoint(arguments[1])):
            self.seen.append(("code", event, str(arguments)[:200]))
        if isinstance(path, str | bytes | os.PathLike):
            place = Path(os.path.realpath(os.fsdecode(path)))
            if not place.is_relative_to(self.work / "inside") and not place.is_relative_to("/dev"):
                self.seen.append(("outside", event, str(place)))


def main():
    kind, seed, first, last, samples, work = sys.argv[1:]
    work = Path(work)
    shutil.rmtree(work, ignore_errors=True)
    inside = work / "inside" / "deep"
    inside.mkdir(parents=True)
    os.chdir(inside)
    attack = KINDS[kind](Path(samples)).attack
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    watch = Watch(work)
    lines = os.fdopen(os.dup(1), "w")
    if int(last) - int(first) > 1:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
    for number in range(int(first), int(last)):
        folder = inside / str(number)
        folder.mkdir()
        watch.seen.clear()
        watch.on = True
        try:
            attack(random.Random(f"{seed}/{kind}/{number}"), folder)
            outcome, told = "accepted", ""
        except BmnError as error:
            outcome, told = "refused", str(error).replace(str(folder), "")
            if len(told) > 3000:
                outcome, told = "garbage", f"a sentence of {len(told)} characters: {told[:200]}"
        except Garbage as error:
            outcome, told = "garbage", str(error)[:500]
        except BaseException:
            outcome, told = "traceback", traceback.format_exc()[-3000:]
        watch.on = False
        if watch.seen:
            outcome, told = watch.seen[0][0], str(watch.seen[:3])
        left = {path.name for path in work.iterdir()} | {path.name for path in (work / "inside").iterdir()}
        left |= {path.name for path in inside.iterdir() if path.name != str(number)}
        if left != {"inside", "deep"}:
            outcome, told = "outside", str(left)
        peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
        peak = max(peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
        lines.write(json.dumps({"number": number, "outcome": outcome, "told": told, "peak": peak}) + "\n")
        lines.flush()
        if int(last) - int(first) > 1:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
