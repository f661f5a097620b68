"""Proposals of videos, of features that are made as the model's were made in training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from bmn.acquire.features import VIDEO_SUFFIXES, find_videos
from bmn.base.errors import BmnError
from bmn.base.files import write_json
from bmn.base.schema import ExtractParams
from bmn.predict.inputs import Item
from bmn.predict.outputs import rounded, save_csv
from bmn.predict.predictor import Boundaries, Predictor
from bmn.proposals import Result
from bmn.video.extract import Extractor, extract_videos, find_extractor


@dataclass(frozen=True)
class Watched:
    """What was found in a video.

    Attributes:
        path: of the video.
        duration: in seconds.
        proposals: best first; labelled if the model has a classifier.
        boundaries: the probabilities that an action starts or ends.
    """

    path: Path
    duration: float
    proposals: Sequence[Result]
    boundaries: Boundaries


def find_video_files(inputs: Sequence[str]) -> list[Path]:
    """The videos that inputs name, in their order, each once.

    Args:
        inputs: videos; folders, for the videos in them and below; globs; text files with the path of a video a line.

    Raises:
        BmnError: an input names no video.
    """
    found: dict[Path, None] = {}
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            files = list(find_videos(path).values())
        elif has_magic(given) and not path.exists():
            files = sorted(file for file in map(Path, glob(given, recursive=True)) if file.suffix in VIDEO_SUFFIXES)
        elif path.suffix in VIDEO_SUFFIXES:
            files = [path]
        else:
            files = _listed(path)
        if not files:
            raise BmnError(f"{given}: names no video ({', '.join(filter(str.islower, VIDEO_SUFFIXES))})")
        found |= dict.fromkeys(files)
    return list(found)


def _listed(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BmnError(f"{path}: is neither a video nor a list of videos ({error})") from error
    return [Path(line.strip()) for line in lines if line.strip()]


def extractor_of(predictor: Predictor, backbone: str | None, device: str, root: Path) -> Extractor:
    """The extractor that a model was trained with.

    Args:
        backbone: where its program lies now; as in training by default.
        device: ``cpu`` or ``gpu``.
        root: the folder that relative paths start from.

    Raises:
        BmnError: the model does not know it, or the backbone is gone or another one.
    """
    about: dict[str, Any] | None = predictor.extractor
    if about is None:
        raise BmnError(
            f"{predictor.program}: was not trained on videos, so its manifest does not tell how to make features of "
            "them; train it on videos, or give bmn predict the features"
        )
    known = {name: value for name, value in about.items() if name != "checksum"}
    try:
        params = ExtractParams(**known | {"backbone": backbone or known["backbone"]})
    except (ValueError, KeyError, TypeError) as error:
        raise BmnError(f"{predictor.program}: its manifest holds no extractor known here; export it again") from error
    found = find_extractor(params, root, device)
    if found.checksum != about.get("checksum"):
        raise BmnError(
            f"{found.program}: is another backbone than the one that {predictor.program.parent} was trained with "
            f"(checksum {found.checksum[:12]}, not {str(about.get('checksum'))[:12]}); name that one with --backbone"
        )
    return found


def watch_videos(
    paths: Sequence[Path], extractor: Extractor, predictor: Predictor
) -> Iterator[tuple[Path, Watched | BmnError]]:
    """The proposals of videos as they get ready, in any order, or what is wrong with a video."""
    for path, features in extract_videos(paths, extractor):
        if isinstance(features, BmnError):
            yield path, features
        else:
            yield path, Watched(path, features.duration, *predictor.watch(features.array, features.duration))


def distinct(proposals: Sequence[Result], count: int) -> list[Result]:
    """The best proposals of which none shows more than half of what a better one shows."""
    chosen: list[Result] = []
    for proposal in proposals:
        start, end = proposal["segment"]
        shared = (min(end, b["segment"][1]) - max(start, b["segment"][0]) for b in chosen)
        if len(chosen) < count and all(overlap <= (end - start) / 2 for overlap in shared):
            chosen.append(proposal)
    return chosen


def contents(watched: Watched) -> dict[str, Any]:
    """All that was found in a video, for JSON."""
    boundaries = watched.boundaries
    return {
        "duration": watched.duration,
        "proposals": rounded(watched.proposals, watched.duration),
        "boundaries": {
            "step": boundaries.step,
            "start": boundaries.start.round(4).tolist(),
            "end": boundaries.end.round(4).tolist(),
        },
    }


def save(watched: Watched, stem: Path) -> None:
    """Write ``<stem>.json``, all that was found, and ``<stem>.csv``, one line per proposal."""
    write_json(stem.with_name(f"{stem.name}.json"), {"video": watched.path.name, **contents(watched)}, indent=None)
    found = [(Item(watched.path.name, watched.duration), watched.proposals)]
    save_csv(stem.with_name(f"{stem.name}.csv"), found, labels=any("label" in each for each in watched.proposals[:1]))
