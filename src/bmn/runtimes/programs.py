"""What runs an exported program: Paddle Inference, or onnxruntime for ``.onnx``. Features in, maps out.

Paddle and onnxruntime are imported when they are needed, so that either works without the other.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.runtime import threads

Maps = tuple[NDArray[np.float32], ...]
Run = Callable[[NDArray[np.float32]], Maps]

MANIFEST = "manifest.json"  # beside the programs of an exported model
PROGRAMS = (".pdmodel", ".json", ".onnx")  # the published form, that of Paddle 3, ONNX
GPU_MEMORY = 200  # MiB that Paddle takes at the start; it grows
LARGEST_BATCH = 64  # on a GPU; TensorRT is prepared for it


@dataclass(frozen=True)
class Program:
    """A program that is ready to run.

    Attributes:
        run: features ``[batch, channel, snippet]`` to confidence map ``[batch, 2, D, T]``, start and end
            probabilities ``[batch, T]``.
        channels, tscale: what it takes.
    """

    run: Run
    channels: int
    tscale: int


def find_program(model: Path) -> Path:
    """The program file of an exported model: ``model`` itself, or the first of ``PROGRAMS`` in that folder.

    Raises:
        BmnError: it is not there, or its ``.pdiparams`` is not beside it.
    """
    candidates = [model] if model.suffix in PROGRAMS else [model / f"BMN{suffix}" for suffix in PROGRAMS]
    for program in candidates:
        alone = program.suffix == ".onnx"
        if program.is_file() and (alone or program.with_suffix(".pdiparams").is_file()):
            return program
    raise BmnError(f"{model}: holds no BMN.pdmodel with BMN.pdiparams; export a model first (dvc repro export)")


def open_program(program: Path, device: str = "cpu", use_tensorrt: bool = False) -> Program:
    """Open a program file.

    Args:
        device: ``cpu`` or ``gpu``.
        use_tensorrt: let TensorRT run what it can; on a GPU.

    Raises:
        BmnError: the device is not there, or onnxruntime is not installed.
    """
    if use_tensorrt and device != "gpu":
        raise BmnError("TensorRT runs on a GPU; choose the device gpu with it")
    return (_onnx if program.suffix == ".onnx" else _paddle)(program, device, use_tensorrt)


def _paddle(program: Path, device: str, use_tensorrt: bool) -> Program:
    try:
        from bmn.model.device import require_gpus
        from bmn.model.paddle import paddle
    except ImportError as error:
        raise BmnError(f"{program}: Paddle is not installed; pip install paddlepaddle, or take a .onnx") from error
    inference = paddle.inference
    name, channels, tscale = _paddle_input(program)
    config = inference.Config(str(program), str(program.with_suffix(".pdiparams")))
    config.disable_glog_info()
    if program.suffix == ".pdmodel":  # without it every hidden layer stays in memory; the other form has no need of it
        config.enable_memory_optim()
    if device == "gpu":
        require_gpus(device)
        config.enable_use_gpu(GPU_MEMORY, 0)
    else:
        config.disable_gpu()
        config.set_cpu_math_library_num_threads(threads())
    if use_tensorrt:
        config.enable_tensorrt_engine(max_batch_size=LARGEST_BATCH, precision_mode=inference.PrecisionType.Float32)
        least, usual, most = ({name: [batch, channels, tscale]} for batch in (1, 16, LARGEST_BATCH))
        config.set_trt_dynamic_shape_info(least, most, usual)
    predictor = inference.create_predictor(config)
    given = predictor.get_input_handle(name)
    wanted = [predictor.get_output_handle(output) for output in predictor.get_output_names()]

    def run(features: NDArray[np.float32]) -> Maps:
        given.copy_from_cpu(np.ascontiguousarray(features, dtype=np.float32))
        predictor.run()
        return tuple(handle.copy_to_cpu() for handle in wanted)

    return Program(run, channels, tscale)


def _paddle_input(program: Path) -> tuple[str, int, int]:
    """Name, channels and snippets of a Paddle program's one input."""
    if program.suffix == ".json":
        [block] = json.loads(program.read_text(encoding="utf-8"))["program"]["regions"][0]["blocks"]
        [operation] = [operation for operation in block["ops"] if operation["#"].endswith(".data")]
        attributes: dict[str, Any] = {attribute["N"]: attribute["AT"]["D"] for attribute in operation["A"]}
        _, channels, tscale = attributes["shape"]
        return attributes["name"], channels, tscale
    from bmn.model.paddle import paddle

    description = paddle.base.core.ProgramDesc(program.read_bytes())  # named: its blocks die with it
    block = description.block(0)
    [feed] = [block.op(place) for place in range(block.op_size()) if block.op(place).type() == "feed"]
    [name] = feed.output("Out")
    _, channels, tscale = block.find_var(name.encode()).shape()
    return name, channels, tscale


def _onnx(program: Path, device: str, use_tensorrt: bool) -> Program:
    try:
        import onnxruntime
    except ImportError as error:
        raise BmnError(f"{program}: onnxruntime is not installed; pip install onnxruntime") from error
    provider = "TensorrtExecutionProvider" if use_tensorrt else {"gpu": "CUDAExecutionProvider"}.get(device)
    if provider and provider not in onnxruntime.get_available_providers():
        raise BmnError(
            f"{program}: this onnxruntime has no {provider}; install onnxruntime-gpu or choose the device cpu"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.log_severity_level = 3  # errors; it warns of every constant that it folded
    session = onnxruntime.InferenceSession(program, options, providers=[provider or "CPUExecutionProvider"])
    [given] = session.get_inputs()
    _, channels, tscale = given.shape

    def run(features: NDArray[np.float32]) -> Maps:
        return tuple(session.run(None, {given.name: np.ascontiguousarray(features, dtype=np.float32)}))

    return Program(run, channels, tscale)
