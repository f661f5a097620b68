"""Features of a folder of videos, in a cache by the content of a video and by what extracts it: a new one costs one."""

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bmn.base.checksums import Checksums
from bmn.base.errors import BmnError
from bmn.base.files import atomic_file, atomic_folder, once, read_json, write_json
from bmn.base.schema import ExtractParams, Params
from bmn.execution.lists import Task, run_list
from bmn.video.extract import Extractor, extract_videos, find_extractor

CHUNK = 8  # videos of a job


def extracted(videos: Mapping[str, Path], params: Params, root: Path, cache: Path) -> dict[str, Any]:
    """Extract the features of videos, those that the cache does not hold.

    Each is in the cache as soon as it is done, so that what is killed goes on where it was.

    Args:
        videos: by id.
        params: ``extract`` and ``execution`` are used.
        root: the folder that relative paths start from.
        cache: keeps features by content, and for each set of videos a folder of its features.

    Returns:
        For the record of raw data: ``place``, the folder in the cache below which ``features`` holds an array a video;
        ``extractor``, how they were made; ``durations`` of the videos in seconds; ``broken``, what is wrong with the
        others.

    Raises:
        BmnError: the backbone cannot be had or run, or all videos are broken.
    """
    extractor = find_extractor(params.extract, root, params.execution.device)
    kept = cache / "features" / extractor.key()
    with Checksums(cache / "videos.db") as known:
        done = {name: kept / f"{known.of_file(path)}.npy" for name, path in videos.items()}
    todo = {str(path): name for name, path in videos.items() if not done[name].exists()}
    broken = {}
    bar = tqdm(total=len(videos), initial=len(videos) - len(todo), desc="extracting", unit="video", disable=None)

    def hear(told: dict[str, str]) -> None:
        if told["wrong"]:
            tqdm.write(f"skipped: {told['wrong']}", file=sys.stderr)
            broken[todo[told["video"]]] = told["wrong"]
        bar.update()

    how = [params.extract.model_dump(), str(extractor.program), extractor.checksum, extractor.device]
    reads = {extractor.program, cache, *(path.parent for path in videos.values())}
    task = Task(f"{__name__}:{extract.__name__}", {"extractor": how}, CHUNK, reads)
    with bar:
        run_list(params.execution, task, [(video, str(done[name])) for video, name in todo.items()], hear)
    done = {name: file for name, file in done.items() if name not in broken}
    if not done:
        raise BmnError(f"{next(iter(broken.values()))}; none of {len(videos)} videos can be decoded")
    listed = f"{kept.name} {sorted((name, file.name) for name, file in done.items())}"
    place = f"{hashlib.sha256(listed.encode()).hexdigest()[:12]}-videos"

    def link() -> None:
        with atomic_folder(cache / place) as folder:
            (folder / "features").mkdir()
            for name, file in done.items():
                (folder / "features" / f"{name}.npy").hardlink_to(file)

    once(cache / place, link)
    durations = {name: read_json(_about(file))["duration"] for name, file in done.items()}
    return {"place": place, "extractor": extractor.about(), "durations": durations, "broken": broken}


def extract(arguments: dict[str, Any], tell: Callable[[dict[str, str]], None]) -> None:
    """The job: extract the features of some videos into the cache.

    Args:
        arguments: ``items``, videos with the files for their features, and what makes an ``extractor``.
        tell: receives of each ``video`` what is ``wrong`` with it, if anything.
    """
    extract_params, program, *others = arguments["extractor"]
    extractor = Extractor(ExtractParams(**extract_params), Path(program), *others)
    files = {Path(video): Path(file) for video, file in arguments["items"]}
    for path, found in extract_videos(list(files), extractor):
        if not isinstance(found, BmnError):
            write_json(_about(files[path]), {"video": path.name, "duration": found.duration})
            with atomic_file(files[path]) as temporary:
                np.save(temporary, found.array)
        tell({"video": str(path), "wrong": str(found) if isinstance(found, BmnError) else ""})


def _about(file: Path) -> Path:
    return file.with_suffix(".json")
