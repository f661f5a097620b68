"""``python -m oracles.program WEIGHTS FOLDER MODEL``: the published form of the network as a program, as PaddleVideo
exports it: without a card, the sampling matrix within it. FLAGS_enable_pir_api says which form."""

import sys
from pathlib import Path

import paddle

from bmn.base.schema import ModelParams
from bmn.model.weights import load_network
from oracles.network import network_matrix, published_forward


class Published(paddle.nn.Layer):
    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("matrix", network_matrix(network), persistable=False)

    def forward(self, x):
        return published_forward(self.network, self.matrix, x)


def main():
    weights, folder, model = sys.argv[1:]
    network = Published(load_network(ModelParams.model_validate_json(model), Path(weights)))
    network.eval()
    shape = [None, network.network.feat_dim, network.network.tscale]
    spec = paddle.static.InputSpec(shape, "float32", "feat_input")
    paddle.jit.save(network, str(Path(folder) / "BMN"), input_spec=[spec])


if __name__ == "__main__":
    main()
