"""Whether the GPUs that are asked for are there, and this Paddle has code for them: said before anything runs."""

import mmap
import struct
from functools import cache

from bmn.base.errors import BmnError
from bmn.model.paddle import paddle

Capability = tuple[int, int]

_FAT_BINARY = struct.pack("<IHH", 0xBA55ED50, 1, 16)  # how the GPU code of a library begins: magic, version, header
_PTX, _CUBIN = 1, 2  # code for any newer architecture too, and machine code


def require_gpus(asked: str) -> None:
    """Make sure that Paddle can compute on some GPUs.

    Args:
        asked: ``gpu``, or the numbers behind it: ``gpu:0,1``.

    Raises:
        BmnError: Paddle is the build for CPUs, a GPU is not there, or the build has no code for it.
    """
    if not paddle.is_compiled_with_cuda():
        raise BmnError(
            f"{asked}: this Paddle {paddle.__version__} cannot use a GPU; install paddlepaddle-gpu "
            f"(make setup REQUIREMENTS=requirements-gpu.txt) or choose cpu"
        )
    count = paddle.device.cuda.device_count()
    numbers = [int(number) for number in asked.partition(":")[2].split(",") if number] or [0]
    if missing := [number for number in numbers if number >= count]:
        raise BmnError(
            f"{asked}: there is no GPU {missing[0]}, Paddle sees {count} (nvidia-smi lists them, CUDA_VISIBLE_DEVICES "
            f"hides them); choose among these, or cpu"
        )
    for number in numbers:
        capability = paddle.device.cuda.get_device_capability(number)
        if not has_code(capability, _own_code()):
            raise BmnError(
                f"{paddle.device.cuda.get_device_name(number)}: this Paddle {paddle.__version__} for CUDA "
                f"{paddle.version.cuda()} has no code for its compute capability {capability[0]}.{capability[1]}; "
                f"install Paddle's own build for a newer CUDA (make setup PADDLE_INDEX=<address>, see docs/train.md), "
                f"or choose cpu"
            )


def has_code(capability: Capability, code: set[tuple[int, Capability]]) -> bool:
    """Whether a GPU can run a library's code (:func:`gpu_code`); where nothing is known of it, it may try.

    Machine code runs on the later GPUs of its own generation, PTX on all later ones.
    """
    usable = (held <= capability and (kind == _PTX or held[0] == capability[0]) for kind, held in code)
    return not code or any(usable)


def gpu_code(library: str) -> set[tuple[int, Capability]]:
    """What GPU code a library holds: its kinds (1 PTX, 2 machine code), each with the architecture it is for."""
    found: set[tuple[int, Capability]] = set()
    with open(library, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(_FAT_BINARY)
        while place >= 0:
            entry, (size,) = place + 16, struct.unpack_from("<Q", content, place + 8)
            end = min(entry + size, len(content))
            while entry < end:
                kind, _, header, size, architecture = struct.unpack_from("<HHIQ12xI", content, entry)
                found.add((kind, divmod(architecture, 10)))
                entry += header + size
            place = content.find(_FAT_BINARY, end)
    return found


@cache
def _own_code() -> set[tuple[int, Capability]]:
    return gpu_code(paddle.base.libpaddle.__file__)
