"""Fast settings for Paddle on a CPU; whatever the user has set takes precedence.

Measured on 2 cores of an AMD processor with AVX-512, Paddle 3.1.1: a matrix product went from 40 GFLOP/s on
one thread to 480 on two, and an operation that allocates its result became up to ten times as fast.
"""

import ctypes
import os
import platform
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MALLOC_VARIABLES = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_MMAP_MAX_",
    "MALLOC_MMAP_THRESHOLD_",
)
_MXCSR_WORD = 7
_FLUSH_TO_ZERO_AND_DENORMALS_ARE_ZERO = 0x8040


_chosen: dict[str, str] = {}  # environment variables set by this module


@contextmanager
def importing_paddle() -> Iterator[None]:
    """The context in which :mod:`bmn.model.paddle` imports Paddle: environment variables choose threads and code paths.

    Variables that are already set stay; if Paddle is already imported, nothing changes.

    - ``OMP_NUM_THREADS``: :func:`threads`, once it is imported. Paddle's default is one thread.
    - ``MKL_DEBUG_CPU_TYPE``, on AMD processors: without it the bundled MKL takes its slowest code path.
    - ``MKL_CBWR``: matrix products are bit-identical for any number of threads, on processors with AVX2.
    - ``FLAGS_use_mkldnn``: convolutions use oneDNN.
    - ``FLAGS_use_stride_kernel=0``: transposes are materialized at once by a fast kernel, not later by a slow one.

    Paddle replaces the SIGTERM handler on import; the previous one is restored.
    """
    if "paddle" in sys.modules:
        yield
        return
    wanted = {
        "OMP_NUM_THREADS": str(threads()),
        "MKL_CBWR": "AUTO,STRICT",
        "FLAGS_use_mkldnn": "1",
        "FLAGS_use_stride_kernel": "0",
    }
    if code_path := _mkl_code_path():
        wanted["MKL_DEBUG_CPU_TYPE"] = code_path
    _chosen.update({name: value for name, value in wanted.items() if name not in os.environ})
    os.environ.update(_chosen)
    os.environ["OMP_NUM_THREADS"] = wanted["OMP_NUM_THREADS"]
    import numpy  # noqa: F401  # its BLAS heeds the threads of its import, OpenMP those of the first computation

    os.environ["OMP_NUM_THREADS"] = "1"  # of another number Paddle complains when it is imported
    handler = signal.getsignal(signal.SIGTERM)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No ccache found")
        yield
    os.environ["OMP_NUM_THREADS"] = wanted["OMP_NUM_THREADS"]
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def threads() -> int:
    """The number of compute threads: ``OMP_NUM_THREADS`` (the first number of a list), else all available cores."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else _cores()


def child_environment(processes: int = 1) -> dict[str, str]:
    """The environment of one of several child processes: its share of the cores, without the settings made here."""
    given = {name: value for name, value in os.environ.items() if _chosen.get(name) != value}
    return {"OMP_NUM_THREADS": str(max(1, _cores() // processes))} | given


def tune_process() -> dict[str, str]:
    """Configure malloc and denormals for this process: for commands only, never in a library.

    - malloc (glibc): freed memory is kept. Otherwise every large tensor is returned to the system when freed, and the
      page faults of the next one take several times as long as the operation that fills it. Malloc settings in the
      environment take precedence.
    - denormals (glibc on x86-64): numbers below 1e-38 are flushed to 0, in this thread and those that it starts; many
      processors handle them a hundred times more slowly.

    Returns:
        All settings in effect, by name, including those from the environment.
    """
    named = ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "FLAGS_use_mkldnn", "FLAGS_use_stride_kernel")
    in_force = {name: os.environ[name] for name in named if name in os.environ}
    return in_force | {"malloc": _keep_freed_memory(), "denormals": _flush_denormals()}


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except OSError:
        quota, period = "max", "1"
    if quota != "max":
        cores = min(cores, int(quota) // int(period))
    return max(1, cores)


def _mkl_code_path() -> str | None:
    """The value of ``MKL_DEBUG_CPU_TYPE``: 7 is AVX-512, 5 is AVX2. None where MKL's own choice is good."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    fields = {line.partition(":")[0].strip(): line.partition(":")[2].split() for line in lines}
    if fields.get("vendor_id") != ["AuthenticAMD"]:
        return None
    flags = set(fields.get("flags", []))
    if flags >= _AVX512:
        return "7"
    return "5" if "avx2" in flags else None


def _keep_freed_memory() -> str:
    if platform.libc_ver()[0] != "glibc":
        return "unchanged: not glibc"
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if "glibc.malloc" in tunables or any(name in os.environ for name in _MALLOC_VARIABLES):
        return "unchanged: set by the environment"
    libc = ctypes.CDLL(None)
    # Blocks of up to 1 GiB (on glibc before 2.35: 32 MiB) come from the heap, which is never trimmed and grows in
    # steps of 64 MiB. Larger ones would fragment it.
    limit = libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30) or libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
    kept = limit and libc.mallopt(_M_TRIM_THRESHOLD, -1) and libc.mallopt(_M_TOP_PAD, 64 << 20)
    return "freed memory is kept" if kept else "unchanged: refused by the C library"


def _flush_denormals() -> str:
    if platform.libc_ver()[0] != "glibc" or platform.machine() != "x86_64":
        return "unchanged"
    environment = (ctypes.c_uint32 * 8)()
    libm = ctypes.CDLL("libm.so.6")
    libm.fegetenv(environment)
    environment[_MXCSR_WORD] |= _FLUSH_TO_ZERO_AND_DENORMALS_ARE_ZERO
    libm.fesetenv(environment)
    # NumPy would warn whenever it describes a float type.
    warnings.filterwarnings("ignore", message="The value of the smallest subnormal")
    return "flushed to 0"
