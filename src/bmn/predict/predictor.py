"""Proposals from an exported model, without training, tracking or the pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.files import read_json
from bmn.base.params import load_params
from bmn.base.schema import ExecutionParams
from bmn.classify.classifier import FILE, Detected, SegmentClassifier, read_classifier
from bmn.classify.results import LabelledResult, labelled_results
from bmn.data.windows import Cut, Window, cut
from bmn.proposals import PUBLISHED, Floats, Maps, ProposalSettings, Result, propose, results
from bmn.runtimes.inference import LARGEST_BATCH
from bmn.runtimes.programs import MANIFEST, find_program, open_program, told

CPU_BATCH = 2  # videos: more are no faster, and take 200 MB each


@dataclass(frozen=True)
class Boundaries:
    """Where actions of a video start and end.

    Attributes:
        step: seconds from one probability to the next.
        start, end: ``[step]``, the probabilities.
    """

    step: float
    start: Floats
    end: Floats


def settings_of(params: str | Path | None) -> ProposalSettings:
    """The proposal settings of a ``params.yaml``; the published ones without it."""
    return load_params(Path(params)).proposals if params else PUBLISHED


def execution_of(params: str | Path | None, jobs: int | None, device: str) -> ExecutionParams:
    """Where a list is predicted, as a ``params.yaml`` says, or in this process without it.

    Args:
        jobs: at once, instead of ``execution.jobs``.
        device: ``cpu`` or ``gpu``.
    """
    execution = load_params(Path(params)).execution if params else ExecutionParams()
    devices = "auto" if device == "gpu" else "cpu"
    return execution.model_copy(update={"jobs": jobs or execution.jobs, "devices": devices})


class Predictor:
    """An exported BMN: features in, proposals out.

    Args:
        model: a ``.pdmodel`` or ``.json`` program next to its ``.pdiparams``, ours or PaddleVideo's; an ``.onnx``
            file; or the folder that holds them, of which the fastest is taken.
        settings: how candidates are scored and suppressed; the published ones by default.
        device: ``cpu`` or ``gpu``.
        use_tensorrt: let TensorRT run what it can (GPU only).

    Attributes:
        program: the file that runs; ``str(predictor)`` also says in what.
        classifier: labels proposals; None if the model has none.

    Raises:
        BmnError: the model or device does not exist, or the model is refused
            (:func:`bmn.runtimes.programs.open_program`).
    """

    def __init__(
        self, model: Path, settings: ProposalSettings = PUBLISHED, device: str = "cpu", use_tensorrt: bool = False
    ) -> None:
        self.settings = settings
        self.program = find_program(model, device)
        opened = open_program(self.program, device, use_tensorrt)
        self._run, self.channels, self.tscale = opened.run, opened.channels, opened.tscale
        self.overlap = _overlap(self.program.with_name(MANIFEST))
        self.extractor = _extractor(self.program.with_name(MANIFEST))
        classifier = self.program.with_name(FILE)
        self.classifier = read_classifier(classifier) if classifier.exists() else None
        self._batch = CPU_BATCH if device == "cpu" else LARGEST_BATCH

    def __str__(self) -> str:
        return told(self.program)

    def maps(self, features: NDArray[np.float32]) -> Maps:
        """Run the network.

        Args:
            features: ``[batch, channel, snippet]``, at least one video.

        Returns:
            Confidence map ``[batch, 2, D, T]``, start and end probabilities ``[batch, T]``.
        """
        parts = [self._run(features[low : low + self._batch]) for low in range(0, len(features), self._batch)]
        confidence_map, start, end = (np.concatenate(maps) for maps in zip(*parts, strict=True))
        return confidence_map, start, end

    def propose(self, features: NDArray[np.float32], duration: float) -> list[Result]:
        """The proposals of one video, best first, with segments in seconds.

        Args:
            features: ``[snippet, channel]``; any number of snippets, evenly spaced over the video.
            duration: of the video, in seconds.

        Raises:
            BmnError: the features have the wrong shape or are not finite, or the duration is not positive.
        """
        self._check(features, duration)
        [rows] = self.propose_videos([np.asarray(features, np.float32)], np.array([float(duration)]))
        return results(rows)

    def detect(self, features: NDArray[np.float32], duration: float) -> list[LabelledResult]:
        """The labelled detections of one video, best first, segments in seconds.

        Args:
            features, duration: see :meth:`propose`.

        Raises:
            BmnError: see :meth:`propose`; or the model has no classifier.
        """
        self._check(features, duration)
        [found] = self.detect_videos([np.asarray(features, np.float32)], np.array([float(duration)]))
        return labelled_results(found)

    def _check(self, features: NDArray[np.float32], duration: float) -> None:
        features = np.asarray(features)
        if features.ndim != 2 or features.shape[1] != self.channels or not len(features):
            raise BmnError(
                f"the features have the shape {features.shape}; it should be [snippet, channel] with {self.channels} "
                "channels"
            )
        if not np.isfinite(features).all():
            raise BmnError("the features contain NaN or infinity; extract them again")
        if not 0 < duration < np.inf:
            raise BmnError(f"the duration is {duration}; it should be a positive number of seconds")

    def propose_videos(self, videos: Sequence[NDArray[np.float32]], durations: Floats) -> list[Floats]:
        """The proposals of each video, ``[proposal, 3]`` (start and end in seconds, score).

        Args:
            videos: features ``[snippet, channel]`` of each; resized, or cut into windows whose proposals are merged,
                as in training.
            durations: ``[video]``, seconds.
        """
        return self._propose(videos, durations)[2]

    def detect_videos(self, videos: Sequence[NDArray[np.float32]], durations: Floats) -> list[Detected]:
        """The labelled detections of each video: class → ``[detection, 3]`` (start and end in seconds, score).

        Args:
            videos, durations: see :meth:`propose_videos`.

        Raises:
            BmnError: the model has no classifier.
        """
        if self.classifier is None:
            raise BmnError(
                f"{self.program.parent}: has no {FILE}, so it cannot label proposals; train on labelled segments with "
                "classify.enabled and export again"
            )
        cuts, _, proposals = self._propose(videos, durations)
        return [_detect(self.classifier, own, rows) for own, rows in zip(cuts, proposals, strict=True)]

    def watch(self, features: NDArray[np.float32], duration: float) -> tuple[Sequence[Result], Boundaries]:
        """What is in one video: proposals, or detections if the model has a classifier, best first; and the boundary
        probabilities.

        Args:
            features, duration: see :meth:`propose`.

        Raises:
            BmnError: see :meth:`propose`.
        """
        self._check(features, duration)
        [cuts], maps, [rows] = self._propose([np.asarray(features, np.float32)], np.array([float(duration)]))
        found = results(rows) if self.classifier is None else labelled_results(_detect(self.classifier, cuts, rows))
        return found, _boundaries(maps, [window for window, _ in cuts], duration)

    def _propose(
        self, videos: Sequence[NDArray[np.float32]], durations: Floats
    ) -> tuple[list[list[Cut]], Maps, list[Floats]]:
        """The windows of each video, the maps of all windows, and the proposals of each video."""
        by_number = {str(number): float(duration) for number, duration in enumerate(durations)}
        cuts = [
            cut(features, number, duration, self.tscale, self.overlap)
            for features, (number, duration) in zip(videos, by_number.items(), strict=True)
        ]
        windows, features = zip(*chain.from_iterable(cuts), strict=True)
        maps = self.maps(np.stack([window.T for window in features]))
        return cuts, maps, list(propose(maps, windows, by_number, self.settings).values())


def _detect(classifier: SegmentClassifier, cuts: list[Cut], proposals: Floats) -> Detected:
    """The labelled detections of one video."""
    return classifier.detect(np.stack([own.T for _, own in cuts]), [window for window, _ in cuts], proposals)


def _boundaries(maps: Maps, windows: Sequence[Window], duration: float) -> Boundaries:
    """The probabilities of windows as those of their video: their mean where windows overlap."""
    _, start, end = maps
    step = (windows[0].end - windows[0].start) / start.shape[1]
    places = np.array([round(window.start / step) for window in windows])[:, None] + np.arange(start.shape[1])
    seen = np.bincount(places.ravel())
    shown = -(-duration // step) if step * len(seen) > duration else len(seen)
    merged = (np.bincount(places.ravel(), each.ravel()) / np.maximum(seen, 1) for each in (start, end))
    return Boundaries(step, *(each[: int(shown)] for each in merged))


def _extractor(manifest: Path) -> dict[str, Any] | None:
    """How the features that the network was trained on were extracted from videos; None if they came in files."""
    match read_json(manifest) if manifest.exists() else {}:
        case {"extractor": dict(extractor)}:
            return extractor
    return None


def _overlap(manifest: Path) -> float | None:
    """The overlap of the windows that the network saw; None if it saw whole videos."""
    match read_json(manifest) if manifest.exists() else {}:
        case {"overlap": float() | int() as overlap} if 0 <= overlap < 1:
            return overlap
        case {"overlap": overlap} if overlap is not None:
            raise BmnError(f"{manifest}: overlap is {overlap!r}; it should be a fraction below 1, or null")
        case dict():
            return None
    raise BmnError(f"{manifest}: is not the manifest of an exported model; export it again")
