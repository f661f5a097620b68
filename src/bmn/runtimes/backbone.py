"""What runs a backbone: an exported program of anybody's that takes images or clips and gives channels.

Its input tells what it takes: ``[N, 3, H, W]`` images, ``[N, 3, T, H, W]`` or ``[N, T, 3, H, W]`` clips. N must be
free, and each but the 3 may be. Of its output what stands behind the channels is averaged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.runtimes.descriptions import describe
from bmn.runtimes.inference import open_predictor
from bmn.runtimes.programs import PROGRAMS

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
PROVIDERS = {"CUDAExecutionProvider": "gpu", "CPUExecutionProvider": "cpu"}  # of onnxruntime, the fastest first


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
        device: ``cpu`` or ``gpu``; ``auto``: a GPU if the runtime can use one.
        threads: that compute, on a CPU.

    Raises:
        BmnError: it is not there or cannot be run, or its shapes do not fit.
    """
    if program.suffix not in PROGRAMS or not program.is_file():
        raise BmnError(f"{program}: no such program; extract.backbone is a file that ends with {', '.join(PROGRAMS)}")
    inputs = describe(program)
    if len(inputs) != 1:
        raise BmnError(f"{program}: takes {len(inputs)} inputs ({', '.join(inputs)}); a backbone takes one")
    [(name, shape)] = inputs.items()
    form = _form(program, shape, frames, size)
    try:
        run = (_onnx if program.suffix == ".onnx" else _paddle)(program, name, output, device, threads)
    except BmnError:
        raise
    except Exception as error:  # whatever the runtimes raise
        raise BmnError(f"{program}: cannot be opened ({_words(error)}); export it again") from error
    try:
        features = _described(run, form, np.zeros((2, frames, 3, size, size), np.float32))
    except Exception as error:
        raise BmnError(
            f"{program}: cannot be run on {frames} frames of {size} × {size} pixels ({_words(error)}); "
            "correct extract.frames or extract.size"
        ) from error
    if features.shape[0] != 2 or features.ndim != 2:
        raise BmnError(
            f"{program}: gives {list(features.shape)} for 2 snippets; [2, channel] is expected, so name another tensor "
            "in extract.output"
        )
    return Backbone(form != "N3HW", features.shape[1], run, form)


def _described(run: Run, form: str, snippets: NDArray[np.float32]) -> NDArray[np.float32]:
    if form == "N3HW":
        found = run(snippets.reshape(-1, *snippets.shape[2:]))
        found = found.reshape(*snippets.shape[:2], *found.shape[1:]).mean(axis=1)
    else:
        found = run(snippets.swapaxes(1, 2) if form == "N3THW" else snippets)
    features: NDArray[np.float32] = found.mean(axis=tuple(range(2, found.ndim)))
    return features


def _form(program: Path, shape: Sequence[int], frames: int, size: int) -> str:
    """Which kind of input this is.

    Raises:
        BmnError: none that is known, or of other sizes.
    """
    forms = {"N3HW": (3, size, size), "N3THW": (3, frames, size, size), "NT3HW": (frames, 3, size, size)}
    for form, lengths in forms.items():
        expected = [(-1,), *((-1, length) for length in lengths)]
        if len(shape) == len(expected) and all(given in fits for given, fits in zip(shape, expected, strict=True)):
            return form
    wanted = ", ".join(str([-1, *lengths]) for lengths in forms.values())
    raise BmnError(
        f"{program}: takes {list(shape)}, where -1 is free; one of {wanted} is expected by extract.frames and "
        "extract.size"
    )


def _paddle(program: Path, name: str, output: str | None, device: str, threads: int) -> Run:
    predictor = open_predictor(program, device, threads, onednn=True)
    outputs = predictor.get_output_names()
    if output is not None and output not in outputs:
        raise BmnError(f"{program}: has no output {output!r}, but {', '.join(outputs)}; correct extract.output")
    given, wanted = predictor.get_input_handle(name), predictor.get_output_handle(output or outputs[0])

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        given.copy_from_cpu(np.ascontiguousarray(images))
        predictor.run()
        found: NDArray[np.float32] = wanted.copy_to_cpu()
        return found

    return run


def _onnx(program: Path, name: str, output: str | None, device: str, threads: int) -> Run:
    try:
        import onnxruntime
    except ImportError as error:
        raise BmnError(f"{program}: onnxruntime is not installed; pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    wanted_providers = [name for name, where in PROVIDERS.items() if device in (where, "auto")]
    providers = [name for name in wanted_providers if name in onnxruntime.get_available_providers()]
    if not providers:
        raise BmnError(f"{program}: this onnxruntime has no {wanted_providers[0]}; choose the device cpu")
    session = onnxruntime.InferenceSession(program, options, providers=providers)
    if output is not None and output not in (found.name for found in session.get_outputs()):
        session = onnxruntime.InferenceSession(_with_output(program, output), options, providers=providers)
    wanted = output or session.get_outputs()[0].name

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        [found] = session.run([wanted], {name: np.ascontiguousarray(images)})
        return np.asarray(found, np.float32)

    return run


def _with_output(program: Path, name: str) -> bytes:
    """An ONNX model that gives an inner tensor too: protobuf reads messages that follow each other as one."""

    def field(number: int, content: bytes) -> bytes:
        length, size = b"", len(content)
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    graph, outputs, called = 7, 12, 1  # the fields ModelProto.graph, GraphProto.output, ValueInfoProto.name
    return program.read_bytes() + field(graph, field(outputs, field(called, name.encode())))


def _words(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0].strip()[:200]
