"""What a person gets of videos: the proposals in files, a page to watch each on, the best segments as clips."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tqdm import tqdm

from bmn.base.errors import BmnError
from bmn.base.files import atomic_file
from bmn.base.schema import ExecutionParams
from bmn.execution.lists import Task, run_list
from bmn.predict.files import origin_of
from bmn.predict.inputs import Item
from bmn.predict.partial import PartFile
from bmn.predict.predictor import Predictor
from bmn.predict.videos import Watched, distinct, extractor_of, save, watch_videos
from bmn.proposals import ProposalSettings
from bmn.report.figures import fill
from bmn.video.cutting import cut_segment

SHOWN = 40  # best proposals, on the page
NAMED = 5  # best segments, told
CHUNK = 8  # videos of a job


def propose_videos(
    paths: Sequence[Path],
    execution: ExecutionParams,
    program: Path,
    settings: ProposalSettings,
    device: str,
    backbone: str | None = None,
    output: Path | None = None,
    clips: int = 0,
) -> None:
    """Write what is proposed for videos, and print a line about each; resume after an interruption.

    Args:
        execution: where it is done.
        program: as are ``settings`` and ``device``, of the :class:`bmn.predict.predictor.Predictor`.
        backbone: where its program lies now; as in training by default.
        output: folder of the results; beside each video by default.
        clips: how many of the best segments of each video are cut.

    Raises:
        BmnError: videos were skipped, the model or its backbone is unusable, a video cannot be cut, or the results
            cannot be written.
    """
    arguments = {
        "predictor": [str(program), settings.model_dump(), device],
        "backbone": backbone,
        "output": None if output is None else str(output),
        "clips": clips,
    }
    task = Task(f"{__name__}:{propose.__name__}", arguments, CHUNK, {program, *(path.parent for path in paths)})
    part = PartFile((output or Path()) / "bmn_propose.part", origin_of(program, settings, labels=True) | arguments)
    items = {str(path): Item(str(path), 0.0) for path in paths}  # how long they are is not known yet
    todo = [video for video, item in items.items() if not part.holds(item)]
    if len(todo) < len(items):
        print(f"{part.path}: {len(items) - len(todo)} of {len(items)} videos are already done")
    skipped: list[str] = []
    bar = tqdm(total=len(items), initial=len(items) - len(todo), unit="video", disable=None)

    def hear(told: dict[str, Any]) -> None:
        if told["wrong"]:
            tqdm.write(f"skipped: {told['wrong']}", file=sys.stderr)
            skipped.append(told["video"])
        else:
            part.append([(items[told["video"]], told["proposals"])])
            tqdm.write(told["line"])
        bar.update()

    with bar:
        run_list(execution, task, todo, hear)
    part.remove()
    if skipped:
        raise BmnError(f"{len(skipped)} of {len(items)} videos were skipped, see above; the others are done")


def propose(arguments: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    """The job: write what is proposed for some videos.

    Args:
        arguments: ``items``, the videos, and the other arguments of :func:`propose_videos`.
        tell: receives of each ``video`` what is ``wrong`` with it, if anything, else its ``proposals`` and a ``line``
            about them.

    """
    program, settings, device = arguments["predictor"]
    predictor = Predictor(Path(program), ProposalSettings(**settings), device)
    extractor = extractor_of(predictor, arguments["backbone"], device, Path())
    for path, watched in watch_videos([Path(video) for video in arguments["items"]], extractor, predictor):
        if isinstance(watched, BmnError):
            tell({"video": str(path), "wrong": str(watched)})
            continue
        line = deliver(watched, Path(arguments["output"] or path.parent), arguments["clips"])
        tell({"video": str(path), "wrong": "", "proposals": watched.proposals, "line": line})


def deliver(watched: Watched, folder: Path, clips: int) -> str:
    """Write the proposals of a video, its page and so many clips; gives a line about them."""
    path = watched.path
    save(watched, folder / f"{path.stem}.proposals")
    page = folder / f"{path.stem}.html"
    write_page(page, watched, os.path.relpath(path, folder))
    best = distinct(watched.proposals, max(clips, NAMED))
    for number, proposal in enumerate(best[:clips], 1):
        start, end = proposal["segment"]
        cut_segment(path, start, end, folder / f"{path.stem}.{number}.mp4")
    shown = ", ".join("{:.1f} to {:.1f} s".format(*proposal["segment"]) for proposal in best)
    count = len({tuple(proposal["segment"]) for proposal in watched.proposals})  # one may have several labels
    return f"{page}: {count} proposals in {watched.duration:.1f} s; the best: {shown}"


def write_page(path: Path, watched: Watched, video: str) -> None:
    """Write the page: one file that needs nothing but the video.

    Args:
        video: where the video lies, as seen from the page.
    """
    boundaries = watched.boundaries
    found = {
        "duration": watched.duration,
        "proposals": watched.proposals[:SHOWN],
        "step": boundaries.step,
        "start": boundaries.start.round(3).tolist(),
        "end": boundaries.end.round(3).tolist(),
    }
    page = fill("watch.html", title=watched.path.name, video=quote(video), found=found)
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
