"""From raw annotations and feature files to the canonical form that training and evaluation read."""

from pathlib import Path

from tqdm import tqdm

from bmn.data.annotations import clean, refuse, subset_videos, write_canonical, write_findings
from bmn.data.dialects import read_annotations
from bmn.data.features import feature_file, find_features, read_features, resize
from bmn.data.raw import Raw
from bmn.data.store import write_store
from bmn.data.windows import Window
from bmn.errors import BmnError
from bmn.files import whole_folder


def convert(raw: Raw, out: Path, *, channels: int, tscale: int, strict: bool) -> dict[str, int]:
    """Check all raw data and write the canonical form, whole or not at all.

    ``annotations.json`` (every video, PaddleVideo's form), ``ground_truth.json`` (ActivityNet's form), for
    each subset its packed features ``<subset>.npy`` and their index ``<subset>.json``, and ``findings.json``:
    what was wrong with entries, and what was done about it.

    Args:
        raw: where annotations, in any known form, and feature files are.
        out: the folder to write.
        channels: of a feature.
        tscale: snippets of a feature in the store; others are resized to it.
        strict: refuse entries that would be mended or dropped.

    Returns:
        How many videos each subset holds.

    Raises:
        BmnError: an entry or a feature file is wrong, or the training or validation subset is empty.
    """
    videos, findings = clean(read_annotations(raw.annotations, raw.subsets))
    refuse(findings, raw.annotations, strict)
    subsets = {name: subset_videos(videos, name, raw.annotations) for name in ("training", "validation")}
    testing = [video for video in videos if video.subset == "testing"]
    if testing:
        subsets["testing"] = testing
    files = find_features(raw.features)
    paths = {video.id: path for video in videos if (path := feature_file(files, video.id))}
    missing = [video.id for video in videos if video.id not in paths]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise BmnError(
            f"{raw.features / missing[0]}.npy{more}: no such feature file; "
            f"add it or take the video out of {raw.annotations}"
        )
    with whole_folder(out) as folder:
        write_canonical(folder, videos)
        write_findings(folder / "findings.json", findings)
        for name, members in subsets.items():
            rows = (
                resize(read_features(paths[video.id], channels), tscale)
                for video in tqdm(members, desc=f"packing {name}", unit="video", disable=None)
            )
            windows = [Window(video.id, 0.0, video.duration) for video in members]
            write_store(folder, name, windows, rows, tscale, channels)
    return {name: len(members) for name, members in subsets.items()}
