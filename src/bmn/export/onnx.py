"""The network as ONNX, for onnxruntime and other runtimes: written operator by operator, from weights and plan.

Everything that the weights and the plan determine is a constant here, laid out as the products read it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bmn.base.schema import ModelParams
from bmn.export.manifest import INPUT, OUTPUTS
from bmn.model.triangle import Tiles, make_plan

OPSET, IR_VERSION = 17, 8
Weights = dict[str, NDArray[np.float32]]


def write_onnx(model: ModelParams, weights: Weights, file: Path) -> None:
    """Write the network as ONNX, for any number of videos at once.

    Args:
        model: network sizes.
        weights: by their published names.
        file: the ``.onnx`` to write.
    """
    graph = _Graph(weights)
    base = graph.conv("b_conv2", graph.conv("b_conv1", INPUT, groups=4), groups=4)
    for output, branch in zip(OUTPUTS[1:], ("ts", "te"), strict=True):
        score = graph.conv(f"{branch}_conv2", graph.conv(f"{branch}_conv1", base, groups=4), activation="Sigmoid")
        graph.add("Squeeze", score, graph.constant([1]), name=output)
    _confidence_map(graph, graph.conv("p_conv1", base), model)

    batch, dscale, tscale = "batch", model.dscale, model.tscale
    shapes = zip(OUTPUTS, ([batch, 2, dscale, tscale], [batch, tscale], [batch, tscale]), strict=True)
    made = helper.make_graph(
        graph.nodes,
        "BMN",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [batch, model.feat_dim, tscale])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes],
        graph.constants,
    )
    program = helper.make_model(
        made, producer_name="bmn", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(program)
    onnx.save(program, file)


class _Graph:
    """A graph in the making; operators and constants are named by their number."""

    def __init__(self, weights: Weights) -> None:
        self.weights, self.nodes, self.constants = weights, list[Any](), list[Any]()

    def constant(self, value: Any) -> str:
        """Add a constant; numbers of rows and sizes are integers, everything else float32."""
        array = np.asarray(value)
        name = f"constant_{len(self.constants)}"
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add an operator; returns its output."""
        name = name or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def conv(self, layer: str, given: str, groups: int = 1, activation: str = "Relu") -> str:
        """Add a 1-D convolution of the network, ``[batch, channel, snippet]``."""
        weight = self.weights[f"{layer}.weight"]
        constants = (self.constant(weight), self.constant(self.weights[f"{layer}.bias"]))
        pads = [weight.shape[2] // 2] * 2
        return self.add(activation, self.add("Conv", given, *constants, group=groups, pads=pads))

    def linear(self, layer: str, matrix: NDArray[np.float32], given: str, activation: str = "Relu") -> str:
        """Add a convolution on rows as a matrix product, ``[row, in]`` to ``[row, out]``."""
        constants = (self.constant(matrix), self.constant(self.weights[f"{layer}.bias"]))
        return self.add(activation, self.add("Gemm", given, *constants))

    def reshape(self, given: str, *shape: int) -> str:
        """Add a reshape; -1 is what is left."""
        return self.add("Reshape", given, self.constant(shape))

    def with_row_0(self, rows: str) -> str:
        """Put the zeros beyond the edges of the map before the rows, ``[video, row, channel]``."""
        return self.add("Pad", rows, self.constant([0, 1, 0, 0, 0, 0]))


def _confidence_map(graph: _Graph, sequence: str, model: ModelParams) -> None:
    """Add the proposal branch after its first convolution, as :mod:`bmn.model.network` and its rows compute it."""
    plan = make_plan(**model.model_dump(exclude={"feat_dim"}))
    weight = graph.weights["p_conv3d1.weight"]
    hidden, channels = weight.shape[:2]
    matrix = weight[..., 0, 0].transpose(1, 2, 0).reshape(channels, -1)
    by_snippet = graph.reshape(graph.add("Transpose", sequence, perm=[0, 2, 1]), -1, channels)
    contracted = graph.add("MatMul", by_snippet, graph.constant(matrix))
    contracted = graph.reshape(contracted, -1, model.tscale * model.num_sample, hidden)
    bias = graph.constant(graph.weights["p_conv3d1.bias"])
    parts = [_sample(graph, contracted, bias, tiles) for tiles in plan.tiles]
    rows = graph.add("Concat", graph.with_row_0(parts[0]), *parts[1:], axis=1)
    rows = graph.with_row_0(_convolve(graph, "p_conv2d2", rows, plan.slots_to_ring.read))
    rows = _convolve(graph, "p_conv2d3", rows, plan.ring_to_valid.read)
    channels = graph.weights["p_conv2d4.weight"].shape[1]
    matrix = graph.weights["p_conv2d4.weight"].reshape(-1, channels).T
    scores = graph.linear("p_conv2d4", matrix, graph.reshape(rows, -1, channels), "Sigmoid")
    scores = graph.with_row_0(graph.reshape(scores, -1, 4 * plan.ring_to_valid.read.shape[1], matrix.shape[1]))
    scores = graph.add("Gather", graph.add("Transpose", scores, perm=[0, 2, 1]), graph.constant(plan.map_rows), axis=2)
    shape = graph.constant([-1, matrix.shape[1], model.dscale, model.tscale])
    graph.add("Reshape", scores, shape, name=OUTPUTS[0])


def _sample(graph: _Graph, contracted: str, bias: str, tiles: Tiles) -> str:
    """Add the boundary-matching layer of a group of tiles and the 1 × 1 convolution after it: its rows."""
    gathered = graph.add("Gather", contracted, graph.constant(tiles.reads), axis=1)
    sampled = graph.add("MatMul", graph.constant(tiles.weights), gathered)
    hidden = graph.add("Relu", graph.add("Add", sampled, bias))
    weight = graph.weights["p_conv2d1.weight"][..., 0, 0]
    rows = graph.linear("p_conv2d1", weight.T, graph.reshape(hidden, -1, weight.shape[1]))
    return graph.reshape(rows, -1, tiles.weights.shape[0] * tiles.weights.shape[1], weight.shape[0])


def _convolve(graph: _Graph, layer: str, rows: str, read: NDArray[np.int32]) -> str:
    """Add a 3 × 3 convolution at blocks of cells, given the rows in their patches; here as it stands, untransformed."""
    weight = graph.weights[f"{layer}.weight"]
    out, channels = weight.shape[:2]
    around = sliding_window_view(read.reshape(4, 4, -1), (3, 3), (0, 1)).reshape(-1, 9)
    gathered = graph.add("Gather", rows, graph.constant(around), axis=1)
    matrix = weight.transpose(2, 3, 1, 0).reshape(-1, out)
    found = graph.linear(layer, matrix, graph.reshape(gathered, -1, 9 * channels))
    return graph.reshape(found, -1, len(around), out)
