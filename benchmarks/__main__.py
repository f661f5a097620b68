"""The command: prints a table of ratios to the published implementation, and the machine's own speed."""

from bmn.model.paddle import paddle  # isort: skip  # sets Paddle's flags, so it precedes every import of Paddle

import argparse
import os
import platform
import statistics
import sys

from benchmarks.bench import FULL, QUICK, TINY, Bench
from benchmarks.forms import FORMS, training_step
from benchmarks.machine import operations, profile, rates
from benchmarks.recipe import BATCH, costs
from benchmarks.rows import LONG, ROWS
from benchmarks.table import HEADER, cells, seconds, table
from benchmarks.timing import compare
from bmn.base.runtime import tune_process

MACHINE, RECIPE = "machine", "recipe"
UNCOMPARED = (RECIPE, MACHINE)


def main() -> None:
    """Parse the arguments, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "rows",
        nargs="*",
        metavar="row",
        help=f"any of {', '.join([*ROWS, *UNCOMPARED])}; only by name {', '.join(LONG)}",
    )
    parser.add_argument("--quick", dest="size", action="store_const", const=QUICK, default=FULL, help="takes a minute")
    parser.add_argument(
        "--tiny", dest="size", action="store_const", const=TINY, help="meaningless sizes, to test the benchmarks"
    )
    parser.add_argument("--profile", action="store_true", help="also profile a training step")
    parser.add_argument("--device", default="cpu", help="cpu (default), gpu or gpu:<number>")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - {*ROWS, *LONG, *UNCOMPARED}:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    if arguments.profile and arguments.device != "cpu":
        parser.error("--profile supports only the CPU")
    wanted = arguments.rows or [*ROWS, *UNCOMPARED]

    settings = tune_process()
    paddle.set_device(arguments.device)
    bench = Bench(arguments.size, arguments.device)
    print(f"Paddle {paddle.__version__} on {arguments.device}, {platform.machine()}, {os.cpu_count()} cores, {_load()}")
    print("; ".join(f"{name} {value}" for name, value in settings.items()))
    lines = []
    for name in wanted:
        for row in () if name in UNCOMPARED else (ROWS | LONG)[name](bench):
            print(f"{row.what}: {row.ours}, {row.published}, {row.ratio}", file=sys.stderr)
            lines.append(cells(row))
    if lines:
        print("\nRatio: published / ours, median of the rounds; above 1, ours is better.\n")
        print(table(cells(HEADER), lines))
    if RECIPE in wanted:
        print("\n" + table((f"a training step on {BATCH} videos", "time", "relative to the first"), _recipe(bench)))
    if MACHINE in wanted:
        print("\n" + table(("the machine and our training step", ""), _machine(bench)))
    if arguments.profile:
        for form in FORMS:
            print("\n" + table((f"a training step, {form}", "calls", "time", "share"), _profile(bench, form)))
    print(f"\nDone; {_load()}.")


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def _recipe(bench: Bench) -> list[tuple[str, ...]]:
    found = costs(bench.size.model, bench.size.rounds)
    first = next(iter(found.values()))
    return [
        (choice, seconds(statistics.median(times)), f"{compare(first, times).ratio:.2f} ×")
        for choice, times in found.items()
    ]


def _machine(bench: Bench) -> list[tuple[str, ...]]:
    batch = bench.size.batch
    _, count = operations(bench.network)
    measured = rates(training_step(bench.network, "ours", batch), bench.size.rounds, bench.wait)
    step, implied = measured.step / batch, count / measured.product
    return [
        ("float32 matrix product", f"{measured.product / 1e9:.0f} GFLOP/s"),
        ("float32 convolution, 3 × 3, 128 channels, 100 × 100", f"{measured.convolution / 1e9:.0f} GFLOP/s"),
        ("products in a training step, per video", f"{count / 1e9:.3g} GFLOP"),
        ("implied time at the matrix product's rate", seconds(implied)),
        (f"measured time per video, batch {batch}", seconds(step)),
        ("measured / implied", f"{step / implied:.1f} ×"),
    ]


def _profile(bench: Bench, form: str) -> list[tuple[str, ...]]:
    shares = profile(training_step(bench.network, form, bench.size.batch), bench.size.rounds)
    total = sum(share.seconds for share in shares)
    return [
        (share.operator, str(share.calls), seconds(share.seconds), f"{100 * share.seconds / total:.1f} %")
        for share in shares
        if share.seconds > 0.002 * total
    ]


if __name__ == "__main__":
    main()
