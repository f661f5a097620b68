"""The inference model that MLflow keeps and serves: this file is its code, an exported program its data.

MLflow runs this file when it loads the model; nothing is unpickled.
"""

from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from bmn.inference.predictor import Predictor


class ServedBMN(PythonModel):  # type: ignore[misc]  # MLflow is untyped here
    """Features ``[batch, channel, snippet]`` to the network's three outputs."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the exported program."""
        self.predictor = Predictor(Path(context.artifacts["program"]))

    # model_input has no type: MLflow checks the signature, and takes a type here for another one.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """The maps of a batch: ``confidence_map [batch, 2, D, T]``, ``start [batch, T]``, ``end [batch, T]``."""
        confidence_map, start, end = self.predictor.maps(model_input)
        return {"confidence_map": confidence_map, "start": start, "end": end}


set_model(ServedBMN())
