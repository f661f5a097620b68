"""Proposals from an exported model, without training, tracking or the pipeline."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.files import read_json
from bmn.base.params import load_params
from bmn.classify.classifier import FILE, Detected, read_classifier
from bmn.classify.results import LabelledResult, labelled_results
from bmn.data.windows import Cut, cut
from bmn.proposals import PUBLISHED, Floats, Maps, ProposalSettings, Result, propose, results
from bmn.runtimes.engines import LARGEST_BATCH
from bmn.runtimes.programs import MANIFEST, find_program, open_program

CPU_BATCH = 2  # videos: more are no faster, and take 200 MB each


def settings_of(params: str | Path | None) -> ProposalSettings:
    """The proposal settings of a ``params.yaml``; the published ones without it."""
    return load_params(Path(params)).proposals if params else PUBLISHED


class Predictor:
    """An exported BMN: features in, proposals out.

    Args:
        model: a ``.pdmodel`` or ``.json`` program next to its ``.pdiparams``, ours or PaddleVideo's; an ``.onnx``
            file; or the folder that holds them.
        settings: how candidates are scored and suppressed; the published ones by default.
        device: ``cpu`` or ``gpu``.
        use_tensorrt: let TensorRT run what it can (GPU only).

    Attributes:
        classifier: labels proposals; None if the model has none.

    Raises:
        BmnError: the model or device does not exist, or the model is refused
            (:func:`bmn.runtimes.programs.open_program`).
    """

    def __init__(
        self, model: Path, settings: ProposalSettings = PUBLISHED, device: str = "cpu", use_tensorrt: bool = False
    ) -> None:
        self.settings = settings
        self.program = find_program(model)
        opened = open_program(self.program, device, use_tensorrt)
        self._run, self.channels, self.tscale = opened.run, opened.channels, opened.tscale
        self.overlap = _overlap(self.program.with_name(MANIFEST))
        classifier = self.program.with_name(FILE)
        self.classifier = read_classifier(classifier) if classifier.exists() else None
        self._batch = CPU_BATCH if device == "cpu" else LARGEST_BATCH

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
        return [proposals for _, proposals in self._propose(videos, durations)]

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
        return [
            self.classifier.detect(np.stack([own.T for _, own in cuts]), [window for window, _ in cuts], proposals)
            for cuts, proposals in self._propose(videos, durations)
        ]

    def _propose(self, videos: Sequence[NDArray[np.float32]], durations: Floats) -> list[tuple[list[Cut], Floats]]:
        """The windows of each video, and its proposals."""
        by_number = {str(number): float(duration) for number, duration in enumerate(durations)}
        cuts = [
            cut(features, number, duration, self.tscale, self.overlap)
            for features, (number, duration) in zip(videos, by_number.items(), strict=True)
        ]
        windows, features = zip(*chain.from_iterable(cuts), strict=True)
        maps = self.maps(np.stack([window.T for window in features]))
        proposals = propose(maps, windows, by_number, self.settings).values()
        return list(zip(cuts, proposals, strict=True))


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
