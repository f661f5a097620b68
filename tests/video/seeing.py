"""A backbone whose channels are the mean red, green and blue of what it sees, not normalized."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

PARAMS = {"backbone": "seeing.onnx", "size": 16, "mean": [0.0] * 3, "std": [1.0] * 3}


def write_seeing(path: Path, channels: int = 3) -> Path:
    """Write it; with more channels the colours come several times."""
    shapes = {"x": ["n", 3, "h", "w"], "y": ["n", channels]}
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    times = channels // 3
    nodes = [helper.make_node("Concat", ["x"] * times, ["all"], axis=1),
             helper.make_node("ReduceMean", ["all"], ["y"], axes=[2, 3], keepdims=0)]  # fmt: skip
    graph = helper.make_graph(nodes, "seeing", [values["x"]], [values["y"]])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
