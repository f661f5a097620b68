"""Every case in a process of its own: the settings are those of a whole process."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = {"OMP_NUM_THREADS", "FLAGS_use_mkldnn", "FLAGS_use_stride_kernel", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR"}
on_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
on_x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 has these settings")


def execute(code, **environment):
    """``code`` in a fresh process without settings but these."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in SETTINGS | {"GLIBC_TUNABLES"} and not name.startswith("MALLOC_")
    }
    code = f"import json, os, sys\nfrom bmn.base.runtime import child_environment, threads, tune_process\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True, check=True
    )


def run(code, **environment):
    """What it prints, as JSON."""
    return json.loads(execute(code, **environment).stdout)


def test_it_sets_the_environment_and_says_so():
    in_force, environment = run("import bmn.model.paddle; print(json.dumps([tune_process(), dict(os.environ)]))")
    assert in_force["FLAGS_use_mkldnn"] == "1"
    assert 1 <= int(in_force["OMP_NUM_THREADS"]) <= len(os.sched_getaffinity(0))
    for name in SETTINGS & in_force.keys():
        assert environment[name] == in_force[name]


def test_it_imports_neither_paddle_nor_numpy_nor_mlflow():
    loaded = run(
        "tune_process(); print(json.dumps([name for name in ('paddle', 'numpy', 'mlflow') if name in sys.modules]))"
    )
    assert loaded == []


def test_what_the_user_set_stays():
    chosen = {"OMP_NUM_THREADS": "7", "FLAGS_use_mkldnn": "0", "FLAGS_use_stride_kernel": "1"}
    in_force, environment = run(
        "import bmn.model.paddle; print(json.dumps([tune_process(), dict(os.environ)]))",
        MKL_DEBUG_CPU_TYPE="4",
        **chosen,
    )
    assert in_force.items() >= chosen.items()
    assert environment["MKL_DEBUG_CPU_TYPE"] == "4"


def test_processes_of_one_host_share_its_cores():
    alone, two, many = run("print(json.dumps([child_environment(n)['OMP_NUM_THREADS'] for n in (1, 2, 1000)]))")
    assert (int(two), int(many)) == (max(1, int(alone) // 2), 1)
    assert run("print(json.dumps(child_environment(2)))", OMP_NUM_THREADS="7")["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize(("given", "expected"), [("3", 3), ("4,2", 4), (" 2 ,1", 2)])
def test_a_list_of_threads_is_one_number_a_level(given, expected):
    """OpenMP allows one; Paddle by itself would take 1 for it."""
    code = "before = threads(); import bmn.model.paddle; print(json.dumps([before, threads()]))"
    assert run(code, OMP_NUM_THREADS=given) == [expected, expected]


OPENMP = """
import ctypes
import bmn.model.paddle
[library] = {line.split()[-1] for line in open('/proc/self/maps') if 'libiomp5' in line}
print(json.dumps(ctypes.CDLL(library).omp_get_max_threads()))
"""


@on_x86_64
def test_paddle_computes_on_the_threads_and_says_nothing_of_them():
    done = execute(OPENMP, OMP_NUM_THREADS="3")
    assert (done.stdout, done.stderr) == ("3\n", "")


@pytest.mark.parametrize("given", ["", "0", "many"])
def test_no_number_of_threads_is_as_none_given(given):
    assert run("print(json.dumps(threads()))", OMP_NUM_THREADS=given) == run("print(json.dumps(threads()))")


@pytest.mark.parametrize("first", ["bmn.model.network", "bmn.loss.labels", "bmn.training.loop"])
def test_whatever_imports_paddle_does_so_with_the_settings(first):
    code = f"import {first}, paddle; print(json.dumps(paddle.get_flags('FLAGS_use_stride_kernel')))"
    assert run(code) == {"FLAGS_use_stride_kernel": False}


FAULTS = """
import resource
def faults(size=64 << 20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(size)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
{configure}
faults()
print(json.dumps(faults()))
"""


@on_glibc
def test_freed_memory_is_kept():
    code = FAULTS.format(configure="tune_process()")
    assert 10 * run(code) < run(code, MALLOC_MMAP_MAX_="65536")


@on_glibc
@on_x86_64
def test_denormals_are_flushed_in_new_threads_too():
    halves = """
from threading import Thread
results = []
def halve():
    results.append(sys.float_info.min / 2)
{configure}
thread = Thread(target=halve)
thread.start()
thread.join()
halve()
print(json.dumps(results))
"""
    assert run(halves.format(configure="")) == [sys.float_info.min / 2] * 2
    assert run(halves.format(configure="tune_process()")) == [0, 0]


def test_an_import_of_paddle_before_bmn_leaves_the_environment_alone():
    code = "import json, os, paddle, bmn.model.paddle; print(json.dumps('FLAGS_use_mkldnn' in os.environ))"
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) is False


def test_a_child_process_can_choose_for_itself():
    given = run("import bmn.model.paddle; print(json.dumps(child_environment()))", FLAGS_use_mkldnn="0")
    assert given["FLAGS_use_mkldnn"] == "0"
    assert "FLAGS_use_stride_kernel" not in given


GRADIENT = """
import hashlib
from bmn.model.network import BMN, paddle
paddle.seed(0)
network = BMN(32, 64, 64, num_sample=8, num_sample_perbin=2, prop_boundary_ratio=0.5)
sum(part.sum() for part in network(paddle.randn([2, 32, 64]))).backward()
gradients = [hashlib.sha256(parameter.grad.numpy()).hexdigest() for parameter in network.parameters()]
print(json.dumps(gradients))
"""


@on_x86_64
@pytest.mark.skipif("avx2" not in Path("/proc/cpuinfo").read_text(), reason="only processors with AVX2 can do it")
def test_the_number_of_threads_does_not_change_a_bit():
    one, three = (run(GRADIENT, OMP_NUM_THREADS=threads) for threads in ("1", "3"))
    assert one == three
    assert one != run(GRADIENT, OMP_NUM_THREADS="3", MKL_CBWR="COMPATIBLE")
