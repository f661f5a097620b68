"""BMN: temporal action proposals with the Boundary-Matching Network (arXiv 1907.09702) in PaddlePaddle.

>>> import bmn
>>> model = bmn.load("outputs/export")
>>> model.propose(features, duration=124.2)  # features [snippet, channel] -> [{"score", "segment"}, ...]
>>> model.detect(features, duration=124.2)  # -> [{"label", "score", "segment"}, ...], if it was trained with labels
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmn.predict.predictor import Predictor
    from bmn.training.loop import Trained

__version__ = "0.1.0"


def load(model: str | Path, device: str = "cpu", params: str | Path | None = None) -> "Predictor":
    """Open an exported model: ``bmn.load("outputs/export").propose(features, duration)``.

    Args:
        model: a ``.pdmodel`` or ``.json`` program next to its ``.pdiparams``, an ``.onnx`` file, or the folder
            that holds them, of which the fastest that can run here is taken: ``print(model)`` says which.
        device: ``cpu`` or ``gpu``.
        params: a ``params.yaml`` whose ``proposals.*`` replace the published values.

    Raises:
        bmn.base.errors.BmnError: the model or device does not exist, or the parameters are invalid.
    """
    from bmn.predict.predictor import Predictor, settings_of

    return Predictor(Path(model), settings_of(params), device)


def train(
    params: str | Path = "params.yaml",
    data: str | Path = "data/processed",
    checkpoints: str | Path = ".cache/train",
) -> "Trained":
    """Train on converted data: ``bmn.train("params.yaml").best`` holds the weights with the highest validation AUC.

    Runs in one process, on the device in ``execution.devices``. Writes only checkpoints: repeating an interrupted call
    resumes it, bit for bit; repeating a finished one returns its result.

    Args:
        params: the parameters; only ``model``, ``train`` and ``execution`` matter.
        data: the converted data (``dvc repro convert``).
        checkpoints: folder for the checkpoints of all training runs.

    Raises:
        bmn.base.errors.BmnError: the parameters or the data are invalid, or the loss is not finite.
    """
    from bmn.base.params import load_params
    from bmn.data.subset import open_subset
    from bmn.training.distributed import join
    from bmn.training.train import Training

    chosen = load_params(Path(params))
    training, validation = (open_subset(Path(data), name) for name in ("training", "validation"))
    world = join(chosen.execution.devices)
    with Training(chosen, training, validation, Path(checkpoints), Path(), world) as session:
        return session.run()
