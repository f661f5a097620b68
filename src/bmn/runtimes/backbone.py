"""What runs a backbone: an exported program of anybody's that takes images or clips and gives channels.

Its input tells what it takes: ``[N, 3, H, W]`` images, ``[N, 3, T, H, W]`` or ``[N, T, 3, H, W]`` clips; any of them may be
left open (None, -1 or a name) but the 3. Of its output what stands behind the channels is averaged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.runtimes.programs import GPU_MEMORY, PROGRAMS

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
FORMS = {"N3HW": (0, 2), "N3THW": (0, 2, 1), "NT3HW": (0, 1, 2)}
"""What an input is, and where it takes batch, frame and channel of ``[batch, frame, 3, H, W]`` from."""


@dataclass(frozen=True)
class Backbone:
    """A network that describes what is seen.

    Attributes:
        sees_clips: whether it takes the frames of a snippet together, rather than each alone.
        channels: of a feature.
    """

    sees_clips: bool
    channels: int
    _run: Run
    _form: str

    def describe(self, snippets: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features of snippets: what it says of the clip, or on average of its frames.

        Args:
            snippets: ``[snippet, frame, 3, H, W]``.

        Returns:
            ``[snippet, channel]``.
        """
        return _described(self._run, self._form, snippets)


def open_backbone(program: Path, output: str | None, frames: int, size: int, device: str, threads: int) -> Backbone:
    """Open a program, and try it on black snippets.

    Args:
        program: ``.onnx``, or ``.pdmodel`` or ``.json`` with its ``.pdiparams`` beside it.
        output: the tensor that gives the channels; the first output by default. With ONNX it may be an inner one.
        frames, size: of a snippet.
        device: ``cpu`` or ``gpu``.
        threads: that compute, on a CPU.

    Raises:
        BmnError: it is not there or cannot be run, or its shapes do not fit.
    """
    if program.suffix not in PROGRAMS or not program.is_file():
        raise BmnError(f"{program}: no such program; extract.backbone is a file that ends with {', '.join(PROGRAMS)}")
    try:
        run, shape = (_onnx if program.suffix == ".onnx" else _paddle)(program, output, device, threads)
    except BmnError:
        raise
    except Exception as error:  # whatever the engines raise
        raise BmnError(f"{program}: cannot be opened ({_words(error)}); export it again") from error
    form = _form(program, shape, frames, size)
    try:
        features = _described(run, form, np.zeros((2, frames, 3, size, size), np.float32))
    except Exception as error:
        raise BmnError(
            f"{program}: cannot be run on {frames} frames of {size} × {size} pixels ({_words(error)}); "
            "correct extract.frames or extract.size"
        ) from error
    if features.shape[0] != 2 or features.ndim != 2:
        raise BmnError(f"{program}: gives {list(features.shape)} for 2 snippets; [2, channel] is expected, name another "
                       "tensor in extract.output")  # fmt: skip
    return Backbone(form != "N3HW", features.shape[1], run, form)


def _described(run: Run, form: str, snippets: NDArray[np.float32]) -> NDArray[np.float32]:
    if form == "N3HW":
        found = run(snippets.reshape(-1, *snippets.shape[2:]))
        found = found.reshape(*snippets.shape[:2], *found.shape[1:]).mean(axis=1)
    else:
        found = run(snippets.swapaxes(1, 2) if form == "N3THW" else snippets)
    return found.mean(axis=tuple(range(2, found.ndim)))


def _form(program: Path, shape: Sequence[Any], frames: int, size: int) -> str:
    """Which kind of input this is.

    Raises:
        BmnError: none that is known, or of other sizes.
    """
    known = [length if isinstance(length, int) and length > 0 else None for length in shape]
    wanted = {
        "N3HW": [None, 3, size, size],
        "N3THW": [None, 3, frames, size, size],
        "NT3HW": [None, frames, 3, size, size],
    }
    for form, lengths in wanted.items():
        if len(known) == len(lengths) and known[0] is None:
            if all(a in (None, b) for a, b in zip(known[1:], lengths[1:], strict=True)):
                return form
    raise BmnError(
        f"{program}: takes {known}; [None, 3, {size}, {size}], [None, 3, {frames}, {size}, {size}] or "
        f"[None, {frames}, 3, {size}, {size}] is expected of extract.frames {frames} and extract.size {size}"
    )


def _paddle(program: Path, output: str | None, device: str, threads: int) -> tuple[Run, Sequence[Any]]:
    try:
        from bmn.model.paddle import paddle
    except ImportError as error:
        raise BmnError(f"{program}: Paddle is not installed; pip install paddlepaddle, or take a .onnx") from error
    inference = paddle.inference
    config = inference.Config(str(program), str(program.with_suffix(".pdiparams")))
    config.disable_glog_info()
    if program.suffix == ".pdmodel":
        config.enable_memory_optim()
    if device == "gpu":
        if not paddle.is_compiled_with_cuda():
            raise BmnError(f"{program}: this Paddle cannot use a GPU; set extract.device to cpu")
        config.enable_use_gpu(GPU_MEMORY, 0)
    else:
        config.disable_gpu()
        config.enable_mkldnn()
        config.set_cpu_math_library_num_threads(threads)
    predictor = inference.create_predictor(config)
    name, outputs = _one(program, predictor.get_input_names()), predictor.get_output_names()
    if output is not None and output not in outputs:
        raise BmnError(f"{program}: has no output {output!r}, but {', '.join(outputs)}; correct extract.output")
    given, wanted = predictor.get_input_handle(name), predictor.get_output_handle(output or outputs[0])

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        given.copy_from_cpu(np.ascontiguousarray(images))
        predictor.run()
        found: NDArray[np.float32] = wanted.copy_to_cpu()
        return found

    return run, predictor.get_input_tensor_shape()[name]


def _onnx(program: Path, output: str | None, device: str, threads: int) -> tuple[Run, Sequence[Any]]:
    try:
        import onnxruntime
    except ImportError as error:
        raise BmnError(f"{program}: onnxruntime is not installed; pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    provider = "CUDAExecutionProvider" if device == "gpu" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise BmnError(f"{program}: this onnxruntime has no {provider}; set extract.device to cpu")
    session = onnxruntime.InferenceSession(program, options, providers=[provider])
    if output is not None and output not in (found.name for found in session.get_outputs()):
        session = onnxruntime.InferenceSession(_with_output(program, output), options, providers=[provider])
    name = _one(program, [found.name for found in session.get_inputs()])
    wanted = output or session.get_outputs()[0].name

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        [found] = session.run([wanted], {name: np.ascontiguousarray(images)})
        return np.asarray(found, np.float32)

    return run, session.get_inputs()[0].shape


def _with_output(program: Path, name: str) -> bytes:
    """An ONNX model that gives an inner tensor, too: messages of protobuf are merged by writing one behind the other."""

    def field(number: int, content: bytes) -> bytes:
        length, size = b"", len(content)
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    graph, outputs, called = 7, 12, 1  # the fields ModelProto.graph, GraphProto.output, ValueInfoProto.name
    return program.read_bytes() + field(graph, field(outputs, field(called, name.encode())))


def _one(program: Path, inputs: Sequence[str]) -> str:
    if len(inputs) != 1:
        raise BmnError(f"{program}: takes {len(inputs)} inputs ({', '.join(inputs)}); a backbone takes one")
    return inputs[0]


def _words(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0].strip()[:200]
