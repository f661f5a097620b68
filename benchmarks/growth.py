"""How time and memory of our training step grow with the sequence and the batch."""

from collections.abc import Iterator

import numpy as np

from benchmarks import memory
from benchmarks.bench import SHARE_OF_MEMORY, Bench
from benchmarks.child import Report, child
from benchmarks.table import Row, amount, seconds
from bmn.base.schema import ModelParams


def growth(bench: Bench) -> Iterator[Row]:
    """Steps in fresh processes; the exponents are slopes of straight lines through the logarithms."""
    size = bench.size
    for what, cases in (
        ("T = D", {side: (size.model.model_copy(update={"tscale": side, "dscale": side}), 1) for side in size.sides}),
        ("batch", {batch: (size.model, batch) for batch in size.growing}),
    ):
        found = {}
        for value, (model, batch) in cases.items():
            report = _step(bench, model, batch)
            if report is None:
                yield Row(f"growth: {what} = {value}", "–", how="skipped: it is expected not to fit in memory")
                continue
            found[value] = report
            yield Row(f"growth: {what} = {value}", f"{seconds(report.seconds)}, {amount(report.added)}")
        for name, measured in (
            ("time", [report.seconds for report in found.values()]),
            ("memory", [report.added for report in found.values()]),
        ):
            exponent = np.polyfit(np.log(list(found)), np.log(measured), 1)[0]
            yield Row(f"growth: exponent of {name} in {what}", f"{exponent:.2f}", how=f"{len(found)} sizes")


def _step(bench: Bench, model: ModelParams, batch: int) -> Report | None:
    """The second step in a fresh process; None if it would not fit."""
    if memory.expected("ours", model, batch) > SHARE_OF_MEMORY * memory.available(bench.device):
        return None
    with child(bench.order("ours", batch, model)) as process:
        return [process.step() for _ in range(2)][-1]
