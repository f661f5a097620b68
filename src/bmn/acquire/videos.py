"""Features of a folder of videos, in a cache by the content of a video and by what extracts it: a new one costs one."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bmn.base.checksums import Checksums
from bmn.base.errors import BmnError
from bmn.base.files import atomic_file, atomic_folder, read_json, write_json
from bmn.base.schema import Params
from bmn.video.extract import extract_videos, find_extractor


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
    todo = {path: name for name, path in videos.items() if not done[name].exists()}
    broken = {}
    bar = tqdm(total=len(videos), initial=len(videos) - len(todo), desc="extracting", unit="video", disable=None)
    with bar:
        for path, found in extract_videos(list(todo), extractor):
            if isinstance(found, BmnError):
                tqdm.write(f"skipped: {found}", file=sys.stderr)
                broken[todo[path]] = str(found)
            else:
                file = done[todo[path]]
                write_json(_about(file), {"video": path.name, "duration": found.duration})
                with atomic_file(file) as temporary:
                    np.save(temporary, found.array)
            bar.update()
    done = {name: file for name, file in done.items() if name not in broken}
    if not done:
        raise BmnError(f"{next(iter(broken.values()))}; none of {len(videos)} videos can be decoded")
    listed = f"{kept.name} {sorted((name, file.name) for name, file in done.items())}"
    place = f"{hashlib.sha256(listed.encode()).hexdigest()[:12]}-videos"
    if not (cache / place).exists():
        with atomic_folder(cache / place) as folder:
            (folder / "features").mkdir()
            for name, file in done.items():
                (folder / "features" / f"{name}.npy").hardlink_to(file)
    durations = {name: read_json(_about(file))["duration"] for name, file in done.items()}
    return {"place": place, "extractor": extractor.about(), "durations": durations, "broken": broken}


def _about(file: Path) -> Path:
    return file.with_suffix(".json")
