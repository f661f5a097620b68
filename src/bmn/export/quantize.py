"""``BMN.onnx`` in lower precision; inputs and outputs stay float32.

- ``float16``: 16-bit weights and arithmetic, half the size, for GPUs. A CPU converts around every operator.
- ``int8``: 8-bit weights in matrix products, whose other operand is quantized to its own range at run time (dynamic
  quantization), for CPUs. Convolutions and the sampling of the boundary-matching layer stay float32.

``python -m bmn.export.quantize PROGRAM FILE PRECISION`` converts; :func:`quantize` runs it in its own process.
"""

import os
import subprocess
import sys
from pathlib import Path

from bmn.base.errors import BmnError
from bmn.base.schema import LowerPrecision
from bmn.launch.lifetime import die_with


def quantize(program: Path, file: Path, precision: LowerPrecision) -> None:
    """Convert an ONNX program to lower precision.

    Args:
        program: our float32 program.
        file: the ``.onnx`` to write.

    Raises:
        BmnError: the conversion failed.
    """
    command = [sys.executable, "-m", "bmn.export.quantize", str(program), str(file), precision]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=die_with(os.getpid()))
    if done.returncode != 0:
        print(done.stdout, done.stderr, file=sys.stderr)
        raise BmnError(
            f"{file.name}: could not be converted from {program.name}, see above; remove {precision} from "
            "export.lower_precision"
        )


def main() -> None:
    """Convert one program."""
    program, file, precision = sys.argv[1:]
    (_float16 if precision == "float16" else _int8)(Path(program), Path(file))


def _float16(program: Path, file: Path) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(program), keep_io_types=True), file)


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
