"""The inference model that MLflow keeps and serves: this file is its code, an exported program its data.

MLflow runs this file when it loads the model; nothing is unpickled.
"""

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray

from bmn.inference.predictor import Predictor


class ServedBMN(PythonModel):
    """Features ``[batch, channel, snippet]`` to the network's three outputs."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the exported program."""
        self.predictor = Predictor(Path(context.artifacts["program"]))

    def predict(
        self, context: PythonModelContext, model_input: NDArray[np.float32], params: dict[str, Any] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """The maps of a batch: ``confidence_map [batch, 2, D, T]``, ``start [batch, T]``, ``end [batch, T]``."""
        confidence_map, start, end = self.predictor.maps(model_input)
        return {"confidence_map": confidence_map, "start": start, "end": end}


set_model(ServedBMN())
