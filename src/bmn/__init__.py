"""BMN: temporal action proposals with the Boundary-Matching Network (arXiv 1907.09702) in PaddlePaddle.

>>> import bmn
>>> model = bmn.load("outputs/export")
>>> model.propose(features, duration=124.2)  # features [snippet, channel]; a list of {"score", "segment"}
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmn.predict.predictor import Predictor

__version__ = "0.1.0"


def load(model: str | Path, device: str = "cpu", params: str | Path | None = None) -> "Predictor":
    """Open an exported model: ``bmn.load("outputs/export").propose(features, duration)``.

    Args:
        model: a ``.pdmodel`` or ``.json`` program with its ``.pdiparams`` beside it, an ``.onnx`` file, or the folder
            that holds them.
        device: ``cpu`` or ``gpu``.
        params: a ``params.yaml`` whose ``proposals.*`` are used, rather than the published values.

    Raises:
        bmn.base.errors.BmnError: there is no such model, no such device, or the parameters are not valid.
    """
    from bmn.predict.predictor import Predictor, settings_of

    return Predictor(Path(model), settings_of(params), device)
