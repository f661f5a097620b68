"""Every operator that we run has a kernel for GPUs, in the type in which we run it there: told without a GPU.

Where a kernel is missing Paddle computes on the CPU without a word, and the data travel. What runs is recorded by
Paddle's own log of the kernels that it chooses: of all ways it alone sees the operators of a backward pass, those
within our own operators, and their types.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import paddle
import pytest
from paddle.base import core

from bmn.export.export import write_programs
from gpu.work import STAND_IN

needs_its_kernels = pytest.mark.skipif(
    not paddle.is_compiled_with_cuda(),
    reason="paddlepaddle-gpu, which knows its kernels, is not installed: make check-gpu",
)
ROOT = Path(__file__).parents[2]
# Those that read values on the host before they know the shape of their result, as Paddle's source shows.
WAITING = {
    "segment_pool",
    "nonzero",
    "masked_select",
    "unique",
    "unique_consecutive",
    "repeat_interleave_with_tensor_index",
}
AT_THE_EDGES = {"feed", "fetch"}  # of a program: a fetch brings maps to the CPU, where they are wanted


def recorded(folder, precision):
    """``{(kernel, type)}`` of the work in that precision."""
    environment = os.environ | {"GLOG_v": "6", "GLOG_logtostderr": "1", "PYTHONPATH": f"{ROOT}/src:{ROOT}/tests"}
    words = [sys.executable, "-m", "gpu.work", str(folder), precision]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    # The operator's key, with its type, and on the next line of the log the kernel that was chosen for it.
    chosen = re.findall(r"\] \w+ API kernel key: \[\w+, .*, (\w+)\]\n.*\] (\w+) kernel: ", done.stderr)
    return {(kernel, dtype) for dtype, kernel in chosen}


def missing(kernels):
    """Those that no GPU has."""
    registered = core._get_registered_phi_kernels()

    def there(kernel, dtype):
        return any(entry.startswith("(GPU") and entry.endswith(f", {dtype})") for entry in registered[kernel])

    return sorted(kernel for kernel in kernels if not there(*kernel))


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """The kernels of a training with all around it."""
    return recorded(tmp_path_factory.mktemp("training"), "off")


def test_no_kernel_of_a_training_makes_the_host_wait_for_a_gpu(training):
    names = {kernel for kernel, _ in training}
    assert names >= {"conv2d_grad", "index_add", "adam", "max", "gather", "add"}
    assert names & WAITING == set()


@needs_its_kernels
def test_a_kernel_that_only_cpus_have_is_missing():
    assert missing({("fetch", "float32"), ("matmul", "float32")}) == [("fetch", "float32")]


@needs_its_kernels
def test_a_training_with_all_around_it_has_every_kernel(training):
    # Of each part one that it alone has: the log still says what is looked for.
    assert training >= {
        ("conv2d_grad", "float32"), ("index_add", "float32"), ("adam", "float32"), ("max", "float32"),
        ("add", "float64"), ("sum", "float32"), ("frobenius_norm", "float64"),
    }  # fmt: skip
    assert missing(training) == []


@needs_its_kernels
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_network_has_every_kernel_in_16_bits(tmp_path, dtype):
    kernels = recorded(tmp_path, dtype)
    narrow = {(kernel, dtype) for kernel, held in kernels if held == STAND_IN}
    assert {kernel for kernel, _ in narrow} >= {"conv2d", "conv2d_grad", "matmul", "embedding", "index_add", "relu"}
    assert missing(narrow) == []


@needs_its_kernels
def test_an_exported_program_has_every_kernel(tmp_path, weights, model):
    [file] = write_programs(model, weights, tmp_path)
    program = core.ProgramDesc(file.read_bytes())
    block = program.block(0)
    kernels = set()
    for operator in map(block.op, range(block.op_size())):
        if operator.type() not in AT_THE_EDGES:
            held = operator.input_arg_names() or operator.output_arg_names()
            types = {str(block.find_var(name.encode()).dtype()).removeprefix("paddle.") for name in held}
            kernels |= {(core._get_phi_kernel_name(operator.type()), dtype) for dtype in types}
    assert kernels >= {("conv2d", "float32"), ("matmul", "float32"), ("gather", "float32"), ("sigmoid", "float32")}
    assert missing(kernels) == []
