"""``BMN.onnx`` in lower precision; inputs and outputs stay float32.

- ``float16``: 16-bit weights and arithmetic, half the size, for GPUs. A CPU converts around every operator.
- ``int8``: 8-bit weights in matrix products, whose other operand is quantized to its own range at run time (dynamic
  quantization), for CPUs. Convolutions and the sampling of the boundary-matching layer stay float32.

``python -m bmn.export.quantize PROGRAM FILE PRECISION`` converts; :func:`quantize` runs it in its own process.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.schema import LowerPrecision
from bmn.export.onnx import run_converter

NEEDED = {"float16": ("onnx", "onnxruntime"), "int8": ("onnx", "onnxruntime", "ml_dtypes")}
INSTALL = "pip install -r requirements-onnx.txt, or remove it from export.lower_precision"


def quantize(program: Path, file: Path, precision: LowerPrecision) -> None:
    """Convert an ONNX program to lower precision.

    Args:
        program: our float32 program.
        file: the ``.onnx`` to write.

    Raises:
        BmnError: a package is not installed, or the conversion failed.
    """
    if missing := [name for name in NEEDED[precision] if not find_spec(name)]:
        raise BmnError(f"{file.name}: {missing[0]} is not installed; {INSTALL}")
    command = [sys.executable, "-m", "bmn.export.quantize", str(program), str(file), precision]
    run_converter(command, file, program, INSTALL)


def main() -> None:
    """Convert one program."""
    program, file, precision = sys.argv[1:]
    with TemporaryDirectory() as folder:
        folded = Path(folder) / Path(program).name
        _fold(Path(program), folded)
        (_float16 if precision == "float16" else _int8)(folded, Path(file))


def _fold(program: Path, file: Path) -> None:
    """Fold constants: only then does every matrix product have a constant operand to convert."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(file)
    onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])


def _float16(program: Path, file: Path) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(program)
    _number_in_integers(model.graph)
    onnx.save(convert_float_to_float16(model, keep_io_types=True), file)


def _number_in_integers(graph: Any) -> None:
    """Multiply row numbers as int32, not as floats: 16 bits cannot tell them apart."""
    from onnx import TensorProto, helper, numpy_helper

    made = {name: node for node in graph.node for name in node.output}
    constants = {constant.name: constant for constant in graph.initializer}
    for cast in [node for node in graph.node if node.op_type == "Cast" and node.attribute[0].i == TensorProto.INT32]:
        product = made[cast.input[0]]
        if product.op_type != "Mul":
            continue
        numbers, factor = made[product.input[0]], constants[product.input[1]]
        numbers.attribute[0].CopyFrom(helper.make_attribute("to", TensorProto.INT32))
        product.input[1] = f"{factor.name}.int32"
        whole = numpy_helper.to_array(factor).astype("int32")
        graph.initializer.append(numpy_helper.from_array(whole, product.input[1]))


def _int8(program: Path, file: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        program,
        file,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        reduce_range=True,  # 7 bits: with 8, processors without VNNI saturate and give other results
    )


if __name__ == "__main__":
    main()
