"""What this machine offers a training, and what to mend: the words of ``bmn doctor``."""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bmn import __version__
from bmn.base.errors import BmnError
from bmn.base.runtime import threads
from bmn.base.schema import ModelParams, Params
from bmn.base.versions import versions
from bmn.launch.launcher import processes

PACKAGES = ("numpy", "onnxruntime", "mlflow", "optuna", "dvc", "ray", "av")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")  # each multiplies a product's speed
GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """A GPU that Paddle sees.

    Attributes:
        capability: NVIDIA's compute capability.
        memory: bytes in all.
    """

    name: str
    capability: str
    memory: int


@dataclass(frozen=True)
class Machine:
    """What was found.

    Attributes:
        versions: by name of the package; only those installed.
        paddle: what Paddle's build is for; None if it is not installed.
        nccl: version; None where several GPUs cannot work together.
        processor: its name.
        instructions: those of :data:`INSTRUCTIONS` that it has.
        threads: of a process that computes alone.
        available: bytes of memory that programs may still take.
        runs_on: what ``execution.devices`` comes to.
        needs: bytes that a training step takes in each process (:func:`step_memory`).
        stops: why training could not start.
        hints: what would make it better.
    """

    versions: dict[str, str]
    paddle: str | None
    nccl: str | None
    gpus: list[Gpu]
    processor: str
    instructions: list[str]
    threads: int
    available: int
    runs_on: str
    needs: int
    stops: list[str]
    hints: list[str]


def examine(params: Params) -> Machine:
    """Look at this machine, for a training with some parameters."""
    built = _paddle()
    gpus: list[Gpu] = built.get("gpus", [])
    devices = params.execution.devices
    on_gpus = bool(built) and (bool(gpus) if devices == "auto" else devices.startswith("gpu"))
    processor, flags = _processor()
    available = _available()
    count = processes(devices)
    share = -(-params.train.batch_size // count)
    needs = step_memory(params.model, min(share, params.train.micro_batch_size), on_gpus)
    stops, hints = [], []
    if not built:
        stops.append("Paddle is not installed: training needs it (make setup); prediction works with onnxruntime alone")
    elif on_gpus:
        stops += _refusal(devices)
    least = min((gpu.memory for gpu in gpus), default=0) if on_gpus else available // count
    if least and needs > least:
        stops.append(
            f"a step takes {_amount(needs)} and {_amount(least)} are there for each process: lower "
            f"train.micro_batch_size (now {params.train.micro_batch_size}; the gradient stays the same)"
        )
    if not gpus and Path("/proc/driver/nvidia/version").exists():
        hints.append(
            "there is an NVIDIA driver, but this Paddle sees no GPU: make setup REQUIREMENTS=requirements-gpu.txt"
        )
    if not on_gpus and params.train.precision != "off":
        hints.append(f"train.precision: {params.train.precision} is for GPUs; a CPU computes in 32 bits")
    if len(gpus) > 1 and devices == "auto":
        numbers = ",".join(str(number) for number in range(len(gpus)))
        hints.append(f"one of {len(gpus)} GPUs is used; all with make train-gpu GPUS={numbers}")
    if not on_gpus and "avx2" not in flags:
        hints.append("the processor has no AVX2: training is slow, and its bits may depend on the number of threads")
    return Machine(
        versions={"bmn": __version__} | versions(PACKAGES),
        paddle=built.get("build"),
        nccl=built.get("nccl"),
        gpus=gpus,
        processor=processor,
        instructions=[name for name in INSTRUCTIONS if name in flags],
        threads=threads(),
        available=available,
        runs_on=_runs_on(devices, on_gpus, count),
        needs=needs,
        stops=stops,
        hints=hints,
    )


def step_memory(model: ModelParams, videos: int, on_gpus: bool) -> int:
    """Bytes that a training step takes, weights, optimizer and the network's plan included.

    Counted from the arrays that live at the same time, with factors that fit measured steps on CPUs: within a quarter
    at T = D of 50 to 200, 16 and 32 samples, micro-batches of 1 to 8; within a third where they gathered as on GPUs.
    What CUDA takes for itself comes on top.

    Args:
        videos: computed at once, a micro-batch.
        on_gpus: whether they are gathered at once, and not one after the other.
    """
    parameters = 512 * 128 * model.num_sample + 192 * model.feat_dim + 609_028
    cells = model.dscale * model.tscale - model.dscale * (model.dscale - 1) // 2
    kept = 2 * 512 * model.tscale * model.num_sample + 1400 * cells  # of a video, from forward to backward
    gathered = 1700 * cells  # around every cell of a video, and its gradient
    plan = 2800 * cells
    return 4 * (11 * parameters + plan + videos * kept + (videos if on_gpus else 1) * gathered)


def describe(machine: Machine) -> str:
    """All of it, for people."""
    lines = {
        "versions": ", ".join(f"{name} {number}" for name, number in machine.versions.items()),
        "Paddle": machine.paddle or "not installed",
        "GPUs": ", ".join(f"{gpu.name} (capability {gpu.capability}, {_amount(gpu.memory)})" for gpu in machine.gpus)
        or "none that Paddle sees",
        "NCCL": machine.nccl or "none: several GPUs need it",
        "processor": f"{machine.processor}; {', '.join(machine.instructions) or 'no vector instructions that matter'}",
        "threads": str(machine.threads),
        "free memory": _amount(machine.available),
        "trains on": machine.runs_on,
        "a step takes": f"about {_amount(machine.needs)} in each process",
    }
    facts = [f"{name:<13} {text}" for name, text in lines.items()]
    mends = [f"mend: {text}" for text in machine.stops] + [f"hint: {text}" for text in machine.hints]
    return "\n".join([*facts, "", *(mends or ["nothing to mend"])])


def _paddle() -> dict[str, Any]:
    """What this Paddle is built for and sees; nothing where it is not installed."""
    try:
        from bmn.model.paddle import paddle
    except ModuleNotFoundError:
        return {}
    if not paddle.is_compiled_with_cuda():
        return {"build": f"{paddle.__version__} for CPUs"}
    cuda = paddle.device.cuda
    gpus = [
        Gpu(
            cuda.get_device_name(number),
            ".".join(map(str, cuda.get_device_capability(number))),
            int(cuda.get_device_properties(number).total_memory),
        )
        for number in range(cuda.device_count())
    ]
    nccl = int(paddle.base.core.nccl_version()) if gpus else 0
    return {
        "build": f"{paddle.__version__} for CUDA {paddle.version.cuda()}",
        "gpus": gpus,
        "nccl": f"{nccl // 10000}.{nccl // 100 % 100}.{nccl % 100}" if nccl else None,
    }


def _refusal(devices: str) -> list[str]:
    """The sentence with which a training on these GPUs would be refused, if any."""
    from bmn.model.device import require_gpus

    try:
        require_gpus(devices)
    except BmnError as error:
        return [str(error)]
    return []


def _processor() -> tuple[str, set[str]]:
    """The name of the processor and its flags, as Linux tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor(), set()
    fields = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
    return fields.get("model name", platform.machine()), set(fields.get("flags", "").split())


def _available() -> int:
    """Bytes that programs may still take, of the machine or of the container; 0 where nothing tells."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 0
    try:
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current"))
    except OSError:
        return free
    return free if limit == "max" else min(free, max(0, int(limit) - int(used)))


def _runs_on(devices: str, on_gpus: bool, count: int) -> str:
    if devices == "auto":
        return f"execution.devices: auto is {'the first GPU' if on_gpus else 'the CPU'}, in one process"
    return f"execution.devices: {devices} is {count} process{'es' if count > 1 else ''}"


def _amount(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
