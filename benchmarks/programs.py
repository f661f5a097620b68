"""The network and its published form as exported programs, with the same weights.

``python -m benchmarks.programs WEIGHTS FOLDER MODEL`` exports the published form, in its own process: Paddle settles on
a program format at import.
"""

import os
import subprocess
import sys
from pathlib import Path

import paddle
from paddle import Tensor, nn

from benchmarks.child import ROOT
from benchmarks.forms import features, make_network
from benchmarks.published import network_matrix, published_forward
from bmn.base.schema import ExportParams, ModelParams
from bmn.export.export import export
from bmn.model.weights import load_network, write_weights

PUBLISHED = "published.pdmodel"
ALLOWED = {"float16": 0.01, "int8": 0.1}  # random weights, random features


class Published(nn.Layer):  # type: ignore[misc]
    """The published forward pass with a network's parameters; its matrix is part of the program, like our plan."""

    def __init__(self, network: nn.Layer) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("matrix", network_matrix(network), persistable=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return published_forward(self.network, self.matrix, x)


def export_both(model: ModelParams, folder: Path) -> tuple[list[Path], Path]:
    """Export a network in every available format, and its published form; returns our programs and that one."""
    network, weights = make_network(model), folder / "weights.pdparams"
    write_weights({name: tensor.numpy() for name, tensor in network.state_dict().items()}, weights)
    settings = ExportParams(lower_precision=ALLOWED)
    exported = export(model, weights, folder / "ours", features(network, 2).numpy(), settings, {})
    words = [sys.executable, "-m", "benchmarks.programs", str(weights), str(folder), model.model_dump_json()]
    environment = os.environ | {"FLAGS_enable_pir_api": "0"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the published form could not be exported:\n{done.stderr}")
    return [folder / "ours" / name for name in exported], folder / PUBLISHED


def main() -> None:
    weights, folder, model = sys.argv[1:]
    network = load_network(ModelParams.model_validate_json(model), Path(weights))
    given = paddle.static.InputSpec([None, network.feat_dim, network.tscale], "float32", "feat_input")
    published = Published(network)
    published.eval()
    paddle.jit.save(published, str((Path(folder) / PUBLISHED).with_suffix("")), input_spec=[given])


if __name__ == "__main__":
    main()
