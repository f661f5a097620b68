"""Human-readable values, and a table that is also valid Markdown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.timing import Comparison

Unit = Callable[[float], str]


@dataclass(frozen=True)
class Row:
    """One row of the table, with formatted cells."""

    what: str
    ours: str
    published: str = "–"
    ratio: str = "–"
    rounds: str = "–"
    how: str = ""


HEADER = Row("what", "ours", "published", "ratio", "range", "how")


def seconds(value: float) -> str:
    """A duration in a suitable unit."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def amount(value: float) -> str:
    """Bytes in GiB or MiB."""
    return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"


def count(value: int) -> str:
    """A count with a thousands separator."""
    return f"{value:_}".replace("_", " ")


def compared(what: str, unit: Unit, comparison: Comparison, how: str = "") -> Row:
    """The row of a comparison; ``unit`` formats its values."""
    rounds = "once"
    if len(comparison.ratios) > 1:
        rounds = f"{min(comparison.ratios):.3g} to {max(comparison.ratios):.3g}, {len(comparison.ratios)} rounds"
    return Row(what, unit(comparison.ours), unit(comparison.published), f"{comparison.ratio:.3g} ×", rounds, how)


def cells(row: Row) -> tuple[str, ...]:
    """A row as its cells."""
    return tuple(vars(row).values())


def table(header: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    """Rows under their header, with aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    ruled = [header, tuple("-" * width for width in widths), *lines]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in ruled
    )
