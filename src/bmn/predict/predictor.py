"""Proposals from an exported model: nothing of training, tracking or the pipeline is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.files import read_json
from bmn.base.params import load_params
from bmn.data.windows import Window, cut
from bmn.proposals import PUBLISHED, Floats, Maps, ProposalSettings, Result, propose, results
from bmn.runtimes.engines import LARGEST_BATCH
from bmn.runtimes.programs import MANIFEST, find_program, open_program

COMPUTED_TOGETHER = 2  # videos on a CPU: more are no faster, and take 200 MB each


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
    """The settings of proposals that a ``params.yaml`` has; the published ones without it."""
    return load_params(Path(params)).proposals if params else PUBLISHED


class Predictor:
    """An exported BMN: features in, proposals out.

    Args:
        model: a ``.pdmodel`` or ``.json`` program with its ``.pdiparams`` beside it, ours or PaddleVideo's; an
            ``.onnx`` file; or the folder that holds them.
        settings: how candidates are scored and suppressed; the published ones by default.
        device: ``cpu`` or ``gpu``.
        use_tensorrt: let TensorRT run what it can; on a GPU.

    Raises:
        BmnError: there is no such model, or no such device; or it is refused
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
        self.extractor = _extractor(self.program.with_name(MANIFEST))
        self._together = COMPUTED_TOGETHER if device == "cpu" else LARGEST_BATCH

    def maps(self, features: NDArray[np.float32]) -> Maps:
        """Run the network.

        Args:
            features: ``[batch, channel, snippet]``, of one video at least.

        Returns:
            Confidence map ``[batch, 2, D, T]``, start and end probabilities ``[batch, T]``.
        """
        parts = [self._run(features[low : low + self._together]) for low in range(0, len(features), self._together)]
        confidence_map, start, end = (np.concatenate(maps) for maps in zip(*parts, strict=True))
        return confidence_map, start, end

    def propose(self, features: NDArray[np.float32], duration: float) -> list[Result]:
        """The proposals of one video, best first, segments in seconds.

        Args:
            features: ``[snippet, channel]``; any number of snippets, spread evenly over the video.
            duration: of the video, in seconds.

        Raises:
            BmnError: the features have another shape or are not finite, or the duration is not above 0.
        """
        features = np.asarray(features)
        if features.ndim != 2 or features.shape[1] != self.channels or not len(features):
            raise BmnError(
                f"the features have the shape {features.shape}; [snippet, channel] with {self.channels} channels is "
                "expected"
            )
        if not np.isfinite(features).all():
            raise BmnError("the features hold NaN or infinities; extract them again")
        if not 0 < duration < np.inf:
            raise BmnError(f"the duration is {duration}; a number of seconds above 0 is expected")
        [rows] = self.propose_videos([features.astype(np.float32)], np.array([float(duration)]))
        return results(rows)

    def propose_videos(self, videos: Sequence[NDArray[np.float32]], durations: Floats) -> list[Floats]:
        """The proposals of several videos: for each ``[proposal, 3]`` (start and end in seconds, score).

        Args:
            videos: for each its features ``[snippet, channel]``; they are resized, or cut into windows whose proposals
                are merged, as the model was trained.
            durations: ``[video]``, seconds.
        """
        by_number = {str(number): float(duration) for number, duration in enumerate(durations)}
        maps, windows = self._windows(videos, by_number)
        return list(propose(maps, windows, by_number, self.settings).values())

    def watch(self, features: NDArray[np.float32], duration: float) -> tuple[Floats, Boundaries]:
        """The proposals of one video ``[proposal, 3]``, as of :meth:`propose_videos`, and what they follow from.

        Args:
            features: ``[snippet, channel]``.
            duration: of the video, in seconds.
        """
        maps, windows = self._windows([features], {"0": duration})
        return propose(maps, windows, {"0": duration}, self.settings)["0"], _boundaries(maps, windows, duration)

    def _windows(
        self, videos: Sequence[NDArray[np.float32]], durations: Mapping[str, float]
    ) -> tuple[Maps, Sequence[Window]]:
        cuts = [
            cut(features, number, duration, self.tscale, self.overlap)
            for features, (number, duration) in zip(videos, durations.items(), strict=True)
        ]
        windows, features = zip(*chain.from_iterable(cuts), strict=True)
        return self.maps(np.stack([window.T for window in features])), windows


def _boundaries(maps: Maps, windows: Sequence[Window], duration: float) -> Boundaries:
    """The probabilities of windows as those of their video: where windows overlap, their mean."""
    _, start, end = maps
    step = (windows[0].end - windows[0].start) / start.shape[1]
    places = np.array([round(window.start / step) for window in windows])[:, None] + np.arange(start.shape[1])
    seen = np.bincount(places.ravel())
    shown = -(-duration // step) if step * len(seen) > duration else len(seen)
    merged = (np.bincount(places.ravel(), each.ravel()) / np.maximum(seen, 1) for each in (start, end))
    return Boundaries(step, *(each[: int(shown)] for each in merged))


def _extractor(manifest: Path) -> dict[str, Any] | None:
    """How the features that the network was trained on were made of videos; None where they came in files."""
    match read_json(manifest) if manifest.exists() else {}:
        case {"extractor": dict(extractor)}:
            return extractor
    return None


def _overlap(manifest: Path) -> float | None:
    """The overlap of the windows that the network saw; None where it saw whole videos."""
    match read_json(manifest) if manifest.exists() else {}:
        case {"overlap": float() | int() as overlap} if 0 <= overlap < 1:
            return overlap
        case {"overlap": overlap} if overlap is not None:
            raise BmnError(f"{manifest}: overlap is {overlap!r}; a fraction below 1, or null, is expected")
        case dict():
            return None
    raise BmnError(f"{manifest}: is not the manifest of an exported model; export it again")
