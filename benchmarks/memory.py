"""Bytes that a step is expected to need, that are available, and that this process holds and releases (Linux)."""

import ctypes
import gc
from pathlib import Path

import paddle
import psutil

from bmn.base.schema import ModelParams
from bmn.report.machine import step_memory


def expected(form: str, model: ModelParams, batch: int) -> int:
    """Estimated need of a training step, including matrix or plan: fitted to measured steps."""
    if form == "ours":
        return step_memory(model, batch, on_gpus=False)
    cells = model.tscale * model.dscale
    matrix = 3 * model.tscale * model.num_sample * cells  # float64 while it is computed, then float32
    sampled = 128 * model.num_sample * cells
    return 4 * (matrix + sampled * (5 * batch + 8) // 2)


def expected_of_published_program(model: ModelParams, batch: int) -> int:
    """Estimated need of the published form's exported program: measured 7.3 GiB at the published sizes, batch 16."""
    cells = model.tscale * model.dscale
    return 4 * model.num_sample * cells * (3 * 128 * batch + 3 * model.tscale)


def available(device: str) -> int:
    """Memory available on the device."""
    if device.startswith("gpu"):
        return int(paddle.device.cuda.get_device_properties().total_memory)
    return int(psutil.virtual_memory().available)


def held(device: str) -> int:
    """Memory held by this process."""
    return int(paddle.device.cuda.memory_allocated()) if device.startswith("gpu") else _status("VmRSS")


def peak(device: str) -> int:
    """Peak memory of this process, on a CPU since :func:`release`."""
    return int(paddle.device.cuda.max_memory_allocated()) if device.startswith("gpu") else _status("VmHWM")


def release() -> None:
    """Return freed memory, which a tuned process keeps, to the system, and reset the peak."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
