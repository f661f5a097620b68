"""The exported program as ONNX, for onnxruntime and other run times.

``python -m bmn.export.onnx PROGRAM FILE OUTPUT …`` converts; :func:`write_onnx` runs it in its own process, because
the converter is noisy.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from bmn.base.errors import BmnError
from bmn.launch.lifetime import die_with

OPSET = 17
INSTALL = "pip install -r requirements-onnx.txt (for Paddle 3), or set export.onnx to false"


def write_onnx(program: Path, file: Path, outputs: list[str]) -> None:
    """Convert a Paddle program next to its ``.pdiparams``.

    Args:
        file: the ``.onnx`` to write.
        outputs: their names, in order; Paddle does not keep them.

    Raises:
        BmnError: the converter is not installed, or failed.
    """
    if not find_spec("paddle2onnx"):
        raise BmnError(f"{file.name}: paddle2onnx is not installed; {INSTALL}")
    command = [sys.executable, "-m", "bmn.export.onnx", str(program), str(file), *outputs]
    run_converter(command, file, program, INSTALL)


def run_converter(command: list[str], file: Path, program: Path, remedy: str) -> None:
    """Run a command that converts ``program`` to ``file``; its output is shown only if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=die_with(os.getpid()))
    if done.returncode != 0:
        print(done.stdout, done.stderr, file=sys.stderr)
        raise BmnError(f"{file.name}: could not be converted from {program.name}, see above; {remedy}")


def main() -> None:
    """Convert one program."""
    program, file, *outputs = sys.argv[1:]

    import paddle2onnx

    # Every other optimize_tool installs packages into the environment.
    weights = str(Path(program).with_suffix(".pdiparams"))
    paddle2onnx.export(program, weights, file, opset_version=OPSET, optimize_tool="None")
    _tidy(Path(file), outputs)


def _tidy(file: Path, outputs: list[str]) -> None:
    """Name the outputs and the batch dimension, and drop unused constants."""
    import onnx

    model = onnx.load(file)
    graph = model.graph
    names = dict(zip((output.name for output in graph.output), outputs, strict=True))
    for node in graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
        node.input[:] = [names.get(name, name) for name in node.input]
    for output in graph.output:
        output.name = names[output.name]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    read = {name for node in graph.node for name in node.input}
    kept = [constant for constant in graph.initializer if constant.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(model)
    onnx.save(model, file)


if __name__ == "__main__":
    main()
