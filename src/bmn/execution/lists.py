"""A list of work: done in this process, or in chunks by jobs; where it is done does not change what comes of it."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.schema import ExecutionParams
from bmn.execution.engines import open_engine
from bmn.execution.jobs import Job, run


@dataclass(frozen=True)
class Task:
    """What is done with each item of a list.

    Attributes:
        entry: see :class:`bmn.execution.jobs.Job`; it is called with ``arguments`` and, under ``items``, items, and it
            tells what came of each.
        arguments: JSON, for all items.
        chunk: items of a job, at most: enough to amortize its start, few enough to lose.
        reads: what it reads.
    """

    entry: str
    arguments: dict[str, Any]
    chunk: int
    reads: Iterable[Path] = ()


def run_list(execution: ExecutionParams, task: Task, items: Sequence[Any], hear: Callable[[Any], None]) -> None:
    """Do a task with each item, in any order: with a Ray cluster or several ``execution.jobs`` in jobs, else here.

    Args:
        items: JSON.
        hear: receives what the task tells.

    Raises:
        BmnError: the engine is unusable (:func:`bmn.execution.engines.open_engine`), the task raised one, or the
            process of a chunk died twice.
    """
    if not items:
        return
    if execution.engine == "processes" and execution.jobs in (None, 1):
        module, _, function = task.entry.partition(":")
        getattr(import_module(module), function)({**task.arguments, "items": items}, hear)
        return
    there = filter(os.path.exists, task.reads)  # false, too, for what cannot be the name of a file
    reads = sorted({str(path.absolute()) for path in there})
    with open_engine(execution) as engine:
        size = min(task.chunk, -(-len(items) // engine.jobs))
        chunks = (items[first : first + size] for first in range(0, len(items), size))
        jobs = (
            Job(f"chunk {number}", task.entry, {**task.arguments, "items": chunk}, reads)
            for number, chunk in enumerate(chunks)
        )
        for event in filter(None, run(engine, jobs)):
            match event.kind:
                case "told":
                    hear(event.content)
                case "error":
                    raise BmnError(event.content["text"])
                case "died":
                    raise BmnError(f"{event.job}: {event.content}; the same command resumes")
