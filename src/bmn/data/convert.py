"""From raw annotations and feature files to the canonical form that training and evaluation read."""

from pathlib import Path

from tqdm import tqdm

from bmn.data.annotations import clean, refuse, subset_videos, write_canonical, write_findings
from bmn.data.dialects import read_annotations
from bmn.data.features import read_features, resize
from bmn.data.store import write_store
from bmn.data.windows import Window
from bmn.errors import BmnError
from bmn.files import whole_folder


def convert(
    annotations: Path, features: Path, out: Path, *, channels: int, tscale: int, strict: bool
) -> dict[str, int]:
    """Check all raw data and write the canonical form, whole or not at all.

    ``annotations.json`` (every video, PaddleVideo's form), ``ground_truth.json`` (ActivityNet's form), for
    each subset its packed features ``<subset>.npy`` and their index ``<subset>.json``, and ``findings.json``:
    what was wrong with entries, and what was done about it.

    Args:
        annotations: a file in any known form.
        features: the folder of the feature files, ``<video id>.npy``.
        out: the folder to write.
        channels: of a feature.
        tscale: snippets of a feature in the store; others are resized to it.
        strict: refuse entries that would be mended or dropped.

    Returns:
        How many videos each subset holds.

    Raises:
        BmnError: an entry or a feature file is wrong, or the training or validation subset is empty.
    """
    videos, findings = clean(read_annotations(annotations))
    refuse(findings, annotations, strict)
    subsets = {name: subset_videos(videos, name, annotations) for name in ("training", "validation")}
    testing = [video for video in videos if video.subset == "testing"]
    if testing:
        subsets["testing"] = testing
    missing = [video.id for video in videos if not (features / f"{video.id}.npy").exists()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise BmnError(
            f"{features / missing[0]}.npy{more}: no such feature file; "
            f"add it or take the video out of {annotations}"
        )
    with whole_folder(out) as folder:
        write_canonical(folder, videos)
        write_findings(folder / "findings.json", findings)
        for name, members in subsets.items():
            rows = (
                resize(read_features(features / f"{video.id}.npy", channels), tscale)
                for video in tqdm(members, desc=f"packing {name}", unit="video", disable=None)
            )
            windows = [Window(video.id, 0.0, video.duration) for video in members]
            write_store(folder, name, windows, rows, tscale, channels)
    return {name: len(members) for name, members in subsets.items()}
