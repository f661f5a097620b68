"""Validation of annotations.

The readers in :mod:`bmn.conversion.dialects` return unchecked :class:`Entry` objects; :func:`clean` is the one place
that validates them.
"""

import hashlib
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from bmn.base.errors import BmnError
from bmn.base.files import read_json, write_json
from bmn.data.videos import Segment, Video

SUBSETS = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "testing",
    "testing": "testing",
}
"""Common names of subsets, in lower case, and ours."""

MOST_SEGMENTS = 10_000  # per video; real ones have hundreds


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file says about one video, unchecked.

    Attributes:
        segments: tuples (start, end, label), in seconds.
    """

    id: object
    subset: object
    duration: object
    segments: tuple[tuple[object, object, object], ...]


Action = Literal["chosen", "cut", "dropped", "kept", "refused"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with an entry, how to fix it at the source, and what was done about it here."""

    video: str
    field: str
    value: str
    problem: str
    action: Action

    @property
    def kind(self) -> str:
        """The field and the problem without numbers and names, the same for findings of the same kind."""
        problem = re.sub(r"\d[\d.]*", "#", re.sub(r" there is \S+", " there is a file", self.problem))
        field = re.sub(r"\[\d+\]", "", self.field)
        return f"{field}: {problem}"

    def __str__(self) -> str:
        return f"video {self.video}: {self.field} is {self.value}, {self.problem}"


def clean(entries: Iterable[Entry]) -> tuple[list[Video], list[Finding]]:
    """Validate every entry and repair what can be repaired without guessing.

    ========================================  ========================================================
    a segment that extends beyond the video   cut to the video
    a segment of zero length (end = start)    dropped: it marks no time (ActivityNet has twelve)
    a segment entirely outside the video      dropped: nothing of it is visible (THUMOS-14 has two)
    a duplicate segment                       kept: label maps take a maximum, the official evaluator
                                              counts both
    end < start; a value that is missing, of  refused: the intention is unclear
    the wrong type or not finite; an invalid
    or duplicate id; over 10 000 segments
    ========================================  ========================================================

    Returns:
        The videos sorted by id, without the refused entries, and all findings in the order of the entries.
        Pass the findings to :func:`refuse` before using the videos.
    """
    videos: dict[str, Video] = {}
    findings: list[Finding] = []
    for entry in entries:
        video, problems = _clean_entry(entry)
        findings += problems
        if video is None:
            continue
        if video.id in videos:
            problem = "which an earlier video already has (with or without v_); keep one"
            findings.append(Finding(video.id, "id", repr(video.id), problem, "refused"))
        videos.setdefault(video.id, video)
    return sorted(videos.values(), key=lambda video: video.id), findings


def split(entries: Iterable[Entry], every: int = 5) -> tuple[list[Entry], list[Finding]]:
    """If no entry names a subset, use one video in five for validation and the others for training.

    Only the hashes of the ids decide which, so that the order of the file does not matter and few videos change sides
    when others are added.

    Returns:
        The entries, and a finding for each that was assigned a subset.
    """
    entries = list(entries)
    if any(entry.subset not in (None, "") for entry in entries):
        return entries, []
    ranked = sorted(entries, key=lambda entry: hashlib.sha256(repr(entry.id).encode()).digest())
    validating = {id(entry) for entry in ranked[: math.ceil(len(ranked) / every)]}
    subsets = ["validation" if id(entry) in validating else "training" for entry in entries]
    findings = [
        Finding(str(entry.id), "subset", "missing", f"chosen by its id: {subset}", "chosen")
        for entry, subset in zip(entries, subsets, strict=True)
    ]
    return [replace(entry, subset=subset) for entry, subset in zip(entries, subsets, strict=True)], findings


def refuse(findings: Iterable[Finding], source: Path, strict: bool = False) -> None:
    """Raise an error if there are findings that could not be repaired; under ``strict``, also for repaired ones.

    Raises:
        BmnError: one sentence with the first three such findings and the number of others.
    """
    bad = [finding for finding in findings if finding.action == "refused" or (strict and finding.action != "chosen")]
    if not bad:
        return
    first = "; ".join(str(finding) for finding in bad[:3])
    more = f"; and {len(bad) - 3} more like these" if len(bad) > 3 else ""
    raise BmnError(f"{source}: {first}{more}")


def as_they_stand(entries: Iterable[Entry], source: Path) -> list[Video]:
    """The entries of a published ground truth, with segments that :func:`clean` would cut or drop, so that figures are
    comparable with published ones.

    Raises:
        BmnError: a value is missing or of the wrong type.
    """
    videos = []
    for entry in entries:
        subset = SUBSETS.get(entry.subset.lower()) if isinstance(entry.subset, str) else None
        duration = _number(entry.duration)
        segments = tuple(
            Segment(start, end, label)
            for raw_start, raw_end, label in entry.segments
            if (start := _number(raw_start)) is not None
            and (end := _number(raw_end)) is not None
            and isinstance(label, str)
        )
        if not isinstance(entry.id, str) or subset is None or duration is None or len(segments) < len(entry.segments):
            raise BmnError(f"{source}: video {_short(entry.id)} lacks a subset, duration or numeric segments; fix it")
        videos.append(Video(entry.id, subset, duration, segments))
    return videos


def by_kind(findings: Iterable[Finding]) -> list[list[Finding]]:
    """The findings grouped by kind, sorted by action and problem."""
    kinds: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        kinds[finding.action, finding.kind].append(finding)
    return [kinds[key] for key in sorted(kinds)]


def table(findings: Iterable[Finding], examples: int = 3) -> str:
    """A table of the findings for the terminal: the number of each kind, and a few examples."""
    lines = [f"{'action':8}  {'number':>6}  problem"]
    for found in by_kind(findings):
        lines.append(f"{found[0].action:8}  {len(found):6}  {found[0].kind}")
        lines += [f"{'':18}{finding}" for finding in found[:examples]]
        lines += [f"{'':18}…"] if len(found) > examples else []
    return "\n".join(lines)


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write the findings as a JSON list of objects."""
    write_json(path, [asdict(finding) for finding in findings])


def read_findings(path: Path) -> list[Finding]:
    """Read what :func:`write_findings` wrote."""
    return [Finding(**finding) for finding in read_json(path)]


def _clean_entry(entry: Entry) -> tuple[Video | None, list[Finding]]:
    plain = isinstance(entry.id, str) and _is_plain_name(entry.id)
    name = str(entry.id) if plain else _short(entry.id)
    findings: list[Finding] = []

    def found(where: str, value: str, problem: str, action: Action = "refused") -> None:
        findings.append(Finding(name, where, value, problem, action))

    subset = SUBSETS.get(entry.subset.lower()) if isinstance(entry.subset, str) else None
    duration = _number(entry.duration)
    if not plain:
        found("id", _short(entry.id), "but must be a plain file name")
    if subset is None:
        found("subset", _short(entry.subset), "but must be training, validation or testing")
    if duration is None or duration <= 0:
        found("duration", _short(entry.duration), "but must be a number of seconds above 0")
    if findings or subset is None or duration is None:
        return None, findings

    if len(entry.segments) > MOST_SEGMENTS:
        found("annotations", f"a list of {len(entry.segments)}", f"but may hold {MOST_SEGMENTS}; split the video")
        return None, findings
    segments: list[Segment] = []
    seen: set[Segment] = set()
    for index, (raw_start, raw_end, label) in enumerate(entry.segments):
        where, value = f"annotations[{index}].segment", f"[{_short(raw_start)}, {_short(raw_end)}]"
        start, end = _number(raw_start), _number(raw_end)
        if not isinstance(label, str) or not label.strip():
            found(f"annotations[{index}].label", _short(label), "but must name a class")
        elif start is None or end is None:
            found(where, value, "but must be two finite numbers of seconds")
        elif end < start:
            found(where, value, "but the end must be after the start; correct or remove it")
        elif end == start:
            found(where, value, "which has zero length; remove it", "dropped")
        elif start >= duration or end <= 0:
            problem = f"outside the video of {duration} s; correct it or the duration"
            found(where, value, problem, "dropped")
        else:
            if start < 0 or end > duration:
                found(where, value, f"which extends beyond the video of {duration} s; cut it", "cut")
            segment = Segment(max(start, 0.0), min(end, duration), label)
            if segment in seen:
                found(where, value, "which is a duplicate; remove one", "kept")
            seen.add(segment)
            segments.append(segment)
    if any(finding.action == "refused" for finding in findings):
        return None, findings
    return Video(name, subset, duration, tuple(sorted(segments))), findings


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _is_plain_name(name: str) -> bool:
    printable = all(unicodedata.category(character) not in {"Cc", "Cs"} for character in name)
    return 0 < len(name) <= 200 and printable and name[0] != "." and not {"/", "\\"} & set(name)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
