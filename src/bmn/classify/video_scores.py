"""Class scores of whole videos by someone else's classifier, in the forms that the field passes on.

============  ==============================================================================================
CUHK          JSON, ``{"results": {video: [score of each class]}, "class": [names]}``; for ActivityNet
TCANet        the same, but the scores are one row of logits, ``{video: [[…]]}``; for HACS
UntrimmedNet  ``uNet_test.npy``, ``[video, class]``: row n - 1 is THUMOS-14's ``video_test_<n>``; its columns
              are UCF-101's 101 classes, or the 20 of THUMOS-14 in alphabetical order
CSV           ``video,label,score``; what it leaves out has the score 0
============  ==============================================================================================

They are told apart by their content, not by their names.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.files import unique_keys
from bmn.base.ids import video_id
from bmn.classify.labels import alike
from bmn.metrics.detection import VideoScores

Floats = NDArray[np.float64]
FORMS = 'write it as {"results": {video: [scores]}, "class": [names]} or as a CSV with the columns video,label,score'
THUMOS_CLASSES = {  # of THUMOS-14's detection task → column among UCF-101's classes
    "BaseballPitch": 6, "BasketballDunk": 8, "Billiards": 11, "CleanAndJerk": 20, "CliffDiving": 21,
    "CricketBowling": 22, "CricketShot": 23, "Diving": 25, "FrisbeeCatch": 30, "GolfSwing": 32, "HammerThrow": 35,
    "HighJump": 39, "JavelinThrow": 44, "LongJump": 50, "PoleVault": 67, "Shotput": 78, "SoccerPenalty": 84,
    "TennisSwing": 91, "ThrowDiscus": 92, "VolleyballSpiking": 96,
}  # fmt: skip
UCF_CLASSES = 101


def read_video_scores(path: Path) -> VideoScores:
    """Read class scores in any of these forms.

    Raises:
        BmnError: the file is missing, in another form, would have to be unpickled, or holds something else than one
            finite number for each class of a video.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BmnError(f"{path}: cannot be read ({error.strerror}); correct evaluate.classifier") from error
    if content.startswith(b"\x93NUMPY"):
        return _untrimmed_net(path, content)
    if content.startswith((b"\x80", b"PK")):
        raise BmnError(f"{path}: reading it could run code inside it; save its array with numpy.save, or {FORMS}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BmnError(f"{path}: is not UTF-8 text (byte {error.start}); {FORMS}") from error
    if text.lstrip().startswith(("{", "[")):
        return _json(path, text)
    return _csv(path, text)


def check_scores(scores: VideoScores, labels: Iterable[str], path: Path) -> list[str]:
    """What a person should know of a classifier's classes, a sentence each.

    Args:
        labels: of the ground truth.
        path: of the classifier's file.

    Raises:
        BmnError: none of the labels is one of its classes, or one differs from a class by case or spaces alone.
    """
    by_form = {alike(name): name for name in scores.classes}
    missing = sorted(set(labels) - set(scores.classes))
    for label in missing:
        if (other := by_form.get(alike(label))) is not None:
            raise BmnError(
                f"{path}: its class {other!r} and the annotations' label {label!r} differ by case or spaces only; "
                "write them alike"
            )
    if missing and len(missing) == len(set(labels)):
        raise BmnError(
            f"{path}: its classes ({scores.classes[0]!r}, …) are none of the annotations' labels ({missing[0]!r}, …); "
            "name the file that belongs to these data"
        )
    return [f"{path} has no class {label!r}: it is never given, and counts as missed" for label in missing]


def _untrimmed_net(path: Path, content: bytes) -> VideoScores:
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False).astype(np.float64)
    except Exception as error:  # whatever NumPy raises when it meets bytes that make no sense
        raise BmnError(f"{path}: is not a readable array of numbers ({error}); download it again") from error
    if array.ndim != 2 or array.shape[1] not in (UCF_CLASSES, len(THUMOS_CLASSES)):
        raise BmnError(
            f"{path}: has the shape {array.shape}; THUMOS-14's scores are [video, {UCF_CLASSES} or "
            f"{len(THUMOS_CLASSES)} classes], {FORMS} for other data"
        )
    if array.shape[1] == UCF_CLASSES:
        array = array[:, list(THUMOS_CLASSES.values())]
    names = list(THUMOS_CLASSES)
    return VideoScores(
        names,
        {f"video_test_{row + 1:07d}": _checked(path, str(row), scores, names) for row, scores in enumerate(array)},
    )


def _json(path: Path, text: str) -> VideoScores:
    try:
        content = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise BmnError(f"{path}: is not valid JSON ({error}); download it again") from error
    match content:
        case {"results": dict(results), "class": [_, *_] as classes} if all(isinstance(name, str) for name in classes):
            return VideoScores(classes, _by_id(path, results, classes))
    raise BmnError(f"{path}: is in an unknown format; {FORMS}")


def _by_id(path: Path, results: Mapping[str, Any], classes: list[str]) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for name, given in results.items():
        if (video := video_id(name)) in found:
            raise BmnError(f"{path}: has video {video} twice, with and without v_; keep one")
        match given:
            case [list(logits)]:
                found[video] = _softmax(_checked(path, video, logits, classes))
            case _:
                found[video] = _checked(path, video, given, classes)
    return found


def _checked(path: Path, video: str, given: Any, classes: list[str]) -> Floats:
    try:
        row = np.asarray(given, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BmnError(f"{path}: the scores of {video} are not numbers; download it again") from error
    if row.shape != (len(classes),) or not np.isfinite(row).all():
        raise BmnError(f"{path}: the scores of {video} should be {len(classes)} finite numbers, one per class")
    return row


def _softmax(logits: Floats) -> Floats:
    odds: Floats = np.exp(logits - logits.max())
    odds /= odds.sum()
    return odds


def _csv(path: Path, text: str) -> VideoScores:
    given: dict[str, dict[str, float]] = {}
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    try:
        if not {"video", "label", "score"} <= set(reader.fieldnames or []):
            raise BmnError(f"{path}: is in an unknown format; {FORMS}")
        for row in reader:
            video, label = video_id(row["video"]), row["label"]
            if not label or None in row.values() or label in given.setdefault(video, {}):
                raise BmnError(f"{path}: line {reader.line_num} lacks a label or a score, or repeats a label; fix it")
            try:
                given[video][label] = float(row["score"])
            except ValueError as error:
                raise BmnError(
                    f"{path}: the score in line {reader.line_num} is {row['score']!r}; it should be a number"
                ) from error
    except csv.Error as error:
        raise BmnError(f"{path}: is not valid CSV after line {reader.line_num} ({error}); fix it") from error
    classes = sorted({label for scores in given.values() for label in scores})
    if not classes:
        raise BmnError(f"{path}: names no video; write a line for each below the header video,label,score")
    rows = {video: [scores.get(label, 0.0) for label in classes] for video, scores in given.items()}
    return VideoScores(classes, {video: _checked(path, video, row, classes) for video, row in rows.items()})
