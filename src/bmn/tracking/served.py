"""The inference model that MLflow stores and serves: this file is its code, an exported program its data.

MLflow runs this file when it loads the model; nothing is unpickled.
"""

import warnings
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext

from bmn.classify.results import labelled_results
from bmn.data.windows import resize
from bmn.predict.outputs import rounded
from bmn.predict.predictor import Predictor
from bmn.proposals import ProposalSettings, results

warnings.filterwarnings("ignore", message=".*Add type hints to the `predict`")  # the signature says more

COMPUTED_TOGETHER = 16  # videos, to bound the memory


class ServedBMN(PythonModel):  # type: ignore[misc]  # MLflow is untyped here
    """Features ``[video, snippet, channel]`` to the proposals of each video."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the exported program, with the proposal settings that it was logged with."""
        settings = ProposalSettings(**(context.model_config or {}).get("proposals", {}))
        self.predictor = Predictor(Path(context.artifacts["program"]), settings)
        self.alone = Lock()  # a server calls predict from many threads; a program runs one call at a time

    # MLflow checks the signature with which the model is logged. Of the types here it takes only a bare one for none of
    # its own, and warns if there is no type.
    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The proposals of each video, best first, and on request the maps they are derived from.

        Args:
            model_input: features ``[video, snippet, channel]``; any number of snippets, evenly spaced over the video.
            params: ``durations``, seconds of each video (if empty, segments are fractions of the video);
                ``labels``, whether to give detections, which name a class, too;
                ``maps``, whether to give ``confidence_map [2, D, T]``, ``start [T]`` and ``end [T]`` too.

        Returns:
            For each video ``{"proposals": [{"score": …, "segment": [start, end]}, …]}``; with labels also
            ``"detections"``, each of which has a ``"label"`` too.

        Raises:
            MlflowException: the features have another shape or are not finite, or the durations are not one positive
                number per video.
        """
        params = params or {}
        features = np.asarray(model_input, np.float32)
        durations = np.asarray(params.get("durations", []), np.float64)
        if not durations.size:
            durations = np.ones(len(features))
        if features.ndim != 3 or 0 in features.shape or features.shape[2] != self.predictor.channels:
            raise _refused(
                f"the features have the shape {list(features.shape)}; this model takes [video, snippet, channel] with "
                f"{self.predictor.channels} channels"
            )
        if not np.isfinite(features).all():
            raise _refused("the features contain NaN or infinities; extract them again")
        if durations.shape != (len(features),) or not (np.isfinite(durations) & (durations > 0)).all():
            raise _refused(f"durations should hold a number of seconds above 0 for each of the {len(features)} videos")
        if params.get("maps") and self.predictor.overlap is not None:
            raise _refused("this model splits videos into windows, each with its own maps; request proposals only")
        if params.get("labels") and self.predictor.classifier is None:
            raise _refused("this model was trained without labels; request proposals only")
        answers: list[dict[str, Any]] = []
        for low in range(0, len(features), COMPUTED_TOGETHER):
            part, seconds = features[low : low + COMPUTED_TOGETHER], durations[low : low + COMPUTED_TOGETHER]
            with self.alone:
                rows = self.predictor.propose_videos(list(part), seconds)
                answers += [
                    {"proposals": rounded(results(found), duration)}
                    for found, duration in zip(rows, seconds, strict=True)
                ]
                if params.get("labels"):
                    all_detected = self.predictor.detect_videos(list(part), seconds)
                    for answer, detected, duration in zip(answers[low:], all_detected, seconds, strict=True):
                        answer["detections"] = rounded(labelled_results(detected), duration)
                if params.get("maps"):
                    maps = self.predictor.maps(np.stack([resize(video, self.predictor.tscale).T for video in part]))
                    for answer, *own in zip(answers[low:], *maps, strict=True):
                        answer |= dict(zip(("confidence_map", "start", "end"), own, strict=True))
        return answers


def _refused(sentence: str) -> MlflowException:
    return MlflowException(sentence, error_code=INVALID_PARAMETER_VALUE)


set_model(ServedBMN())
