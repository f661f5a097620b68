"""Prediction in jobs: chunks of the batches, each a process of this machine or of a cluster."""

from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.execution.jobs import Engine, Job, run
from bmn.predict.files import Batches, Compute, Done, here
from bmn.predict.inputs import Item
from bmn.predict.predictor import Predictor
from bmn.proposals import ProposalSettings

CHUNK = 32  # batches per job: enough to amortize its start, few enough to lose


def by_jobs(
    engine: Engine, program: Path, settings: ProposalSettings, device: str, use_tensorrt: bool, labels: bool
) -> Compute:
    """Compute in jobs of ``CHUNK`` batches.

    Args:
        program: as are ``settings``, ``device`` and ``use_tensorrt``, for the job's predictor.
        labels: predict detections instead of proposals.
    """
    predictor = [str(program.absolute()), settings.model_dump(), device, use_tensorrt]

    def compute(batches: Batches) -> Iterator[Done]:
        chunks = [batches[first : first + CHUNK] for first in range(0, len(batches), CHUNK)]
        jobs = (
            Job(
                f"chunk {number}",
                "bmn.predict.jobs:chunk",
                {
                    "predictor": predictor,
                    "labels": labels,
                    "batches": [[astuple(item) for item in batch] for batch in chunk],
                },
            )
            for number, chunk in enumerate(chunks)
        )
        for event in filter(None, run(engine, jobs)):
            match event.kind:
                case "told":
                    found = [(Item(*item), proposals) for item, proposals in event.content["found"]]
                    yield found, event.content["unreadable"]
                case "error":
                    raise BmnError(event.content["text"])
                case "died":
                    raise BmnError(f"{event.job}: {event.content}; the same command resumes")

    return compute


def chunk(arguments: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    """The job: predict some batches and report the results of each.

    Args:
        arguments: ``batches`` of files and durations, ``labels``, and the arguments of the ``predictor``.
    """
    program, settings, device, use_tensorrt = arguments["predictor"]
    predictor = Predictor(Path(program), ProposalSettings(**settings), device, use_tensorrt)
    batches = [[Item(*item) for item in batch] for batch in arguments["batches"]]
    for found, unreadable in here(predictor, arguments["labels"])(batches):
        tell({"found": [(astuple(item), proposals) for item, proposals in found], "unreadable": unreadable})
