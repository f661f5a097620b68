"""From raw annotations and feature files to the canonical form used by training and evaluation."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from bmn.acquire.features import find_features, read_features
from bmn.acquire.raw import Raw
from bmn.base.checksums import sha256, stamp
from bmn.base.errors import BmnError
from bmn.base.files import read_json, write_json
from bmn.conversion.annotations import Entry, Finding, as_they_stand, clean, refuse, split, write_findings
from bmn.conversion.dialects import read_annotations
from bmn.data.store import write_store
from bmn.data.videos import Video, subset_videos, write_annotations, write_ground_truth
from bmn.data.windows import Cut, cut, fractions
from bmn.provenance import identity

EXTRACTOR = "extractor.json"  # how features were made of videos; null: they came in files


@dataclass(frozen=True)
class Choices:
    """How raw data is converted.

    Attributes:
        channels: of a feature.
        tscale: snippets per row of the store.
        strict: refuse entries that would otherwise be repaired or dropped.
        length: resize each video to tscale snippets, or cut it into windows of that length.
        overlap: the fraction of a window shared with the next one.
        inside: the smallest fraction of a segment that a window must hold to be trained on it.
        snippet_seconds: time from one snippet to the next, for durations missing from the annotations.
    """

    channels: int
    tscale: int
    strict: bool = True
    length: Literal["resize", "window"] = "resize"
    overlap: float = 0.5
    inside: float = 0.75
    snippet_seconds: float | None = None


def convert(raw: Raw, out: Path, choices: Choices, work: Path) -> tuple[dict[str, int], list[Finding]]:
    """Validate all raw data and write the canonical form atomically.

    It consists of ``annotations.json`` (all videos, PaddleVideo's format), ``ground_truth.json`` (ActivityNet's
    format), for each subset its packed features ``<subset>.npy`` and their index ``<subset>.json``, and
    ``findings.json``: problems with entries, and what was done about them.

    Windows without segments are left out of training, as in OpenTAD and TadTR, but not of evaluation.

    Args:
        raw: the annotations, in any supported format, and the feature files.
        out: the folder to write.
        work: a working folder, from which an interrupted conversion resumes; one of other data or with other choices
            starts from scratch.

    Returns:
        The number of videos in each subset, and the findings.
    """
    files = find_features(raw.features)
    entries, chosen = split(read_annotations(raw.annotations, raw.subsets))
    entries, undecodable = _decodable(entries, raw.broken)
    refuse(undecodable, raw.features, choices.strict)
    videos, problems = clean(_with_duration(entry, files, raw.durations, choices) for entry in entries)
    refuse(problems, raw.annotations, choices.strict)
    videos, paths, unmatched = _match(videos, files)
    refuse(unmatched, raw.features, choices.strict)
    findings = chosen + undecodable + problems + unmatched
    subsets = {name: subset_videos(videos, name, raw.annotations) for name in ("training", "validation")}
    testing = [video for video in videos if video.subset == "testing"]
    if testing:
        subsets["testing"] = testing

    folder = _working_folder(work, raw, choices)
    write_annotations(folder / "annotations.json", videos)
    truth = videos if raw.ground_truth is None else as_they_stand(read_annotations(raw.ground_truth), raw.ground_truth)
    write_ground_truth(folder / "ground_truth.json", truth)
    write_findings(folder / "findings.json", findings)
    write_json(folder / EXTRACTOR, raw.extractor)
    for name, members in subsets.items():
        packed = (
            _packed(video, paths[video.id], choices, every=name != "training")
            for video in tqdm(members, desc=f"packing {name}", unit="video", disable=None)
        )
        inside = choices.inside if choices.length == "window" else 0.0
        if not write_store(folder, name, packed, choices.tscale, choices.channels, work, inside):
            raise BmnError(
                f"{raw.annotations}: no window of {choices.tscale} snippets holds a segment of the {name} videos; "
                "raise model.tscale, or set data.length to resize"
            )
    _replace(folder, out)
    return {name: len(members) for name, members in subsets.items()}, findings


def _decodable(entries: list[Entry], broken: Mapping[str, str]) -> tuple[list[Entry], list[Finding]]:
    """The entries without those of broken videos, whose duration may not be known, and findings for these."""
    kept: list[Entry] = []
    findings: list[Finding] = []
    for entry in entries:
        if isinstance(entry.id, str) and entry.id in broken:
            findings.append(Finding(entry.id, "features", "missing", broken[entry.id], "dropped"))
        else:
            kept.append(entry)
    return kept, findings


def _with_duration(entry: Entry, files: Mapping[str, Path], durations: Mapping[str, float], choices: Choices) -> Entry:
    """The entry with the duration of its video file; without one and if missing, computed from its features."""
    if isinstance(entry.id, str) and entry.id in durations:
        return replace(entry, duration=durations[entry.id])
    path = files.get(entry.id) if isinstance(entry.id, str) else None
    if entry.duration is not None or choices.snippet_seconds is None or path is None:
        return entry
    return replace(entry, duration=len(read_features(path, choices.channels)) * choices.snippet_seconds)


def _packed(video: Video, path: Path, choices: Choices, every: bool) -> tuple[str, Callable[[], list[Cut]]]:
    """A stamp that changes with the feature file, and a function that returns its windows."""
    return f"{path}:{stamp(path)}", partial(_rows, video, path, choices, every)


def _rows(video: Video, path: Path, choices: Choices, every: bool) -> list[Cut]:
    """The windows of a video with their features."""
    features = read_features(path, choices.channels)
    overlap = choices.overlap if choices.length == "window" else None
    rows = cut(features, video.id, video.duration, choices.tscale, overlap)
    if overlap is None:
        return rows
    return [row for row in rows if every or len(fractions(video.segments, row[0], choices.inside))]


def _match(videos: list[Video], files: Mapping[str, Path]) -> tuple[list[Video], dict[str, Path], list[Finding]]:
    """The videos that have features, the file of each, and findings for what has no counterpart."""
    paths = {video.id: path for video in videos if (path := files.get(video.id))}
    findings = [
        Finding(video.id, "features", "missing", "add the file or remove the video", "dropped")
        for video in videos
        if video.id not in paths
    ]
    used = set(paths.values())
    findings += [
        Finding(name, "annotations", "missing", f"but there is {path.name}; add them or remove it", "dropped")
        for name, path in files.items()
        if path not in used
    ]
    return [video for video in videos if video.id in paths], paths, findings


def _working_folder(work: Path, raw: Raw, choices: Choices) -> Path:
    """The working folder of this conversion, with what an interrupted one left; that of any other is deleted."""
    state = work / "conversion.json"
    folder = raw.annotations
    texts = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else [folder]
    read = [sha256(path) for path in [*texts, *([raw.subsets] if raw.subsets else [])]]
    made_of = identity(Path(__file__), asdict(choices), read)
    if not state.exists() or read_json(state) != made_of:
        shutil.rmtree(work, ignore_errors=True)
        write_json(state, made_of)
    return work / "processed"


def _replace(folder: Path, out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            shutil.rmtree(out)
        shutil.move(folder, out)
    except OSError as error:
        raise BmnError(f"{out}: cannot be written ({error.strerror}); make {out.parent} writable") from error
    shutil.rmtree(folder.parent)
