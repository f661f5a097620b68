"""``python -m bmn.export.program WEIGHTS FOLDER MODEL``: one program, in the format FLAGS_enable_pir_api selects.

MODEL is the network's sizes as JSON.
"""

import sys
from pathlib import Path

from bmn.base.schema import ModelParams
from bmn.export.manifest import INPUT
from bmn.launch.command import command
from bmn.model.paddle import paddle
from bmn.model.weights import load_network

NAME = "BMN"


@command
def main() -> None:
    """Write the program and its weights."""
    weights, folder, model = sys.argv[1:]
    network = load_network(ModelParams.model_validate_json(model), Path(weights))
    features = paddle.static.InputSpec([None, network.feat_dim, network.tscale], "float32", INPUT)
    paddle.jit.save(network, str(Path(folder) / NAME), input_spec=[features])
    published = Path(folder) / f"{NAME}.pdmodel"
    if published.exists():
        published.write_bytes(without_origin(published.read_bytes()))


def without_origin(program: bytes) -> bytes:
    """A ``.pdmodel`` without each operator's call stack, which holds source lines and absolute paths."""
    description = paddle.base.core.ProgramDesc(program)
    for number in range(description.num_blocks()):
        block = description.block(number)
        for place in range(block.op_size()):
            block.op(place).remove_attr("op_callstack")
    return bytes(description.serialize_to_string())


if __name__ == "__main__":
    main()
