"""The comparisons by name: each yields rows of the table, and raises an error if results differ from the published."""

from collections.abc import Callable, Iterator

from benchmarks.around import evaluation, labels, suppression
from benchmarks.bench import Bench
from benchmarks.growth import growth
from benchmarks.inference import inference
from benchmarks.network import construction, forward, long_sequence, out_of_the_box, scaling, step, step_memory
from benchmarks.startup import imports, startup
from benchmarks.table import Row
from benchmarks.videos import videos
from benchmarks.whole import epoch, pipeline

Rows = Callable[[Bench], Iterator[Row]]

ROWS: dict[str, Rows] = {
    "step": step,
    "out-of-the-box": out_of_the_box,
    "forward": forward,
    "inference": inference,
    "memory": step_memory,
    "labels": labels,
    "suppression": suppression,
    "evaluation": evaluation,
    "construction": construction,
    "import": imports,
    "long": long_sequence,
    "scaling": scaling,
    "videos": videos,
}
LONG: dict[str, Rows] = {"epoch": epoch, "pipeline": pipeline, "startup": startup, "growth": growth}
"""Only by name: they take minutes, or say nothing about the published form."""
