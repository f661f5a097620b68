"""Time both sides alternately, so that both see the same machine load; medians of the rounds."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from operator import truediv

Call = Callable[[], object]

SHORT = 0.05  # seconds: shorter calls are repeated within a round
LONG = 15.0  # seconds: a longer call is timed only once, without warm-up


@dataclass(frozen=True)
class Comparison:
    """Our value (seconds, bytes) against the published form's.

    Attributes:
        ours: median.
        published: median.
        ratios: published / ours, one per round; above 1, ours is better.
    """

    ours: float
    published: float
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)


def compare(ours: Sequence[float], published: Sequence[float]) -> Comparison:
    """Summarise the values of several rounds."""
    ratios = tuple(starmap(truediv, zip(published, ours, strict=True)))
    return Comparison(statistics.median(ours), statistics.median(published), ratios)


def seconds_in_turns(
    calls: Mapping[str, Call], rounds: int, wait: Call = lambda: None, rest: float = 0
) -> dict[str, list[float]]:
    """Time calls alternately, after one warm-up each.

    Args:
        calls: by name.
        rounds: turns of each; one if any of them is long.
        wait: waits for the device.
        rest: seconds before each turn, for libraries whose threads keep spinning after theirs.

    Returns:
        By name, the seconds of a call in each round.
    """

    def timed(call: Call, times: int) -> float:
        wait()
        time.sleep(rest)
        begin = time.perf_counter()
        for _ in range(times):
            call()
        wait()
        return (time.perf_counter() - begin) / times

    first = {name: timed(call, 1) for name, call in calls.items()}
    if max(first.values()) > LONG:
        return {name: [first[name] if first[name] > LONG else timed(calls[name], 1)] for name in calls}
    times = {name: max(1, round(SHORT / seconds)) for name, seconds in first.items()}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(timed(call, times[name]))
    return taken


def compare_in_turns(calls: Mapping[str, Call], rounds: int, wait: Call = lambda: None) -> Comparison:
    """Time the calls named ``ours`` and ``published`` alternately."""
    return compare(**seconds_in_turns(calls, rounds, wait))
