"""A page on which a person watches a video and what was proposed for it."""

from pathlib import Path
from urllib.parse import quote

from bmn.base.files import atomic_file
from bmn.predict.videos import Watched
from bmn.report.figures import fill

SHOWN = 40  # best proposals


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
