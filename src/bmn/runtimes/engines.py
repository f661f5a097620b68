"""Programs ready to run, by Paddle Inference or, for ``.onnx``, onnxruntime. Features in, maps out.

Paddle and onnxruntime are imported on demand, so that each works without the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.runtime import threads
from bmn.runtimes.descriptions import describe
from bmn.runtimes.inference import open_predictor

Maps = tuple[NDArray[np.float32], ...]
Run = Callable[[NDArray[np.float32]], Maps]

LARGEST_TSCALE = 10_000  # the maps grow with its square; published models have 100 to 256


@dataclass(frozen=True)
class Program:
    """A program that is ready to run.

    Attributes:
        run: features ``[batch, channel, snippet]`` to confidence map ``[batch, 2, D, T]``, start and end
            probabilities ``[batch, T]``. Raises :class:`BmnError` if the runtime fails or returns anything else.
        channels, tscale: the size of its input.
    """

    run: Run
    channels: int
    tscale: int


def open_engine(program: Path, device: str = "cpu", use_tensorrt: bool = False) -> Program:
    """Open a program in this process; a damaged one can crash it, see :func:`bmn.runtimes.programs.open_program`.

    Raises:
        BmnError: the program could do more than compute, is damaged, or is not a BMN; the device is unavailable; or the
            runtime is not installed.
    """
    if use_tensorrt and device != "gpu":
        raise BmnError("TensorRT needs a GPU; choose the device gpu")
    inputs = describe(program)
    if [len(shape) for shape in inputs.values()] != [3]:
        raise BmnError(f"{program}: takes {_told(inputs)}; a BMN takes one input [batch, channel, snippet]")
    [(name, (_, channels, tscale))] = inputs.items()
    if not (channels > 0 and 1 < tscale <= LARGEST_TSCALE):
        raise BmnError(
            f"{program}: takes {_told(inputs)}; the number of channels and that of snippets, at most "
            f"{LARGEST_TSCALE}, should be fixed"
        )
    start = _onnx if program.suffix == ".onnx" else _paddle
    try:
        compute = start(program, name, (channels, tscale), device, use_tensorrt)
    except BmnError:
        raise
    except Exception as error:  # runtimes raise anything at all
        raise BmnError(f"{program}: cannot be opened ({_reason(error)}); export it again") from error

    def run(features: NDArray[np.float32]) -> Maps:
        try:
            maps = tuple(compute(np.ascontiguousarray(features, dtype=np.float32)))
        except Exception as error:
            raise BmnError(f"{program}: cannot be run ({_reason(error)}); export it again") from error
        shapes = [list(map_.shape) for map_ in maps]
        match shapes:
            case [[batch, 2, int(), width], start, end] if start == end == [batch, width] == [len(features), tscale]:
                return maps
        raise BmnError(
            f"{program}: returns {shapes}; a BMN returns a confidence map [batch, 2, D, {tscale}], and start and end "
            f"probabilities [batch, {tscale}]"
        )

    return Program(run, channels, tscale)


def _told(inputs: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in inputs.items()) or "no input"


def _reason(error: Exception) -> str:
    """The informative line of a runtime's error: Paddle puts it between stack traces."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "Error: " in line]
    return (told or lines or [type(error).__name__])[0][:200]


def _paddle(
    program: Path, name: str, sizes: tuple[int, int], device: str, use_tensorrt: bool
) -> Callable[[NDArray[np.float32]], Sequence[Any]]:
    tensorrt = {name: sizes} if use_tensorrt else None
    predictor = open_predictor(program, device, threads(), onednn=False, tensorrt=tensorrt)
    given = predictor.get_input_handle(name)
    wanted = [predictor.get_output_handle(output) for output in predictor.get_output_names()]

    def compute(features: NDArray[np.float32]) -> list[Any]:
        given.copy_from_cpu(features)
        predictor.run()
        return [handle.copy_to_cpu() for handle in wanted]

    return compute


def _onnx(
    program: Path, name: str, sizes: tuple[int, int], device: str, use_tensorrt: bool
) -> Callable[[NDArray[np.float32]], Sequence[Any]]:
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
    options.log_severity_level = 3  # errors only; it warns about every constant it folds
    session = onnxruntime.InferenceSession(program, options, providers=[provider or "CPUExecutionProvider"])
    return lambda features: session.run(None, {name: features})
