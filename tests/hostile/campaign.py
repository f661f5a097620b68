"""Many hostile inputs of one kind, each a function of (seed, kind, number), in processes that are watched."""

import json
import os
import select
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parents[1]
HANGS = 1200  # seconds for one input
A_PROCESS = 500  # inputs, after which a fresh one starts: memory that only grows shows as a peak
GOOD = ("accepted", "refused")


@dataclass
class Report:
    """What became of the inputs.

    Attributes:
        outcomes: how many were accepted, refused, or failed in which way.
        failures: of each failure its outcome, its number and what was seen.
        peak: the most bytes that a process held.
    """

    outcomes: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)
    peak: int = 0

    def add(self, kind, seed, number, outcome, told):
        self.outcomes[outcome] += 1
        if outcome not in GOOD:
            again = f"python -m hostile.attacker {kind} {seed} {number} {number + 1} SAMPLES WORK"
            self.failures.append(f"{outcome}: {told}\n  again: {again}")


def attack(kind, seed, first, count, samples, work):
    """Let ``count`` inputs of a kind loose on the product; a process that dies or hangs is one input's doing."""
    report, number, last = Report(), first, first + count
    while number < last:
        until = min(last, number + A_PROCESS)
        words = [sys.executable, "-m", "hostile.attacker", kind, str(seed), str(number), str(until), samples, work]
        environment = os.environ | {"PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS}", "OMP_NUM_THREADS": "1"}
        with subprocess.Popen(
            [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=TESTS
        ) as process:
            buffer = b""
            while number < until:
                ready, _, _ = select.select([process.stdout], [], [], HANGS)
                chunk = os.read(process.stdout.fileno(), 65536) if ready else b""
                if not chunk:
                    if not ready:
                        process.kill()
                    outcome = "hang" if not ready else "crash"
                    report.add(kind, seed, number, outcome, f"exit code {process.wait()}")
                    number += 1
                    break
                buffer += chunk
                *lines, buffer = buffer.split(b"\n")
                for line in map(json.loads, lines):
                    report.add(kind, seed, line["number"], line["outcome"], line["told"])
                    report.peak = max(report.peak, line["peak"])
                    number = line["number"] + 1
            process.kill()
    return report
