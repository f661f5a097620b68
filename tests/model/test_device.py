import paddle
import pytest

from bmn.base.errors import BmnError
from bmn.model.device import gpu_code, has_code, no_code, require_gpus
from bmn.training.distributed import join

PYPI = {(2, capability) for capability in [(6, 1), (7, 0), (7, 5), (8, 0), (8, 6)]}  # of the wheel 2.6.2


@pytest.mark.parametrize(
    ("capability", "code", "runs"),
    [
        ((8, 9), PYPI, True),  # later of the same generation
        ((6, 0), PYPI, False),  # P100
        ((9, 0), PYPI, False),  # Hopper
        ((12, 0), PYPI, False),  # Blackwell
        ((9, 0), {(1, (8, 0))}, True),  # PTX is compiled on the spot
        ((7, 0), {(1, (8, 0))}, False),
        ((9, 0), set(), True),  # nothing is known
    ],
)
def test_a_gpu_runs_code_of_its_generation_and_ptx_of_any_before(capability, code, runs):
    assert has_code(capability, code) == runs


def test_the_sentence_names_gpu_and_mend():
    assert "H100" in no_code("H100", (9, 0))
    assert "capability 9.0" in no_code("H100", (9, 0))
    assert "PADDLE_INDEX" in no_code("H100", (9, 0))


@pytest.mark.skipif(paddle.is_compiled_with_cuda(), reason="tells what the build for CPUs has")
def test_a_library_for_cpus_has_no_gpu_code():
    assert gpu_code(paddle.base.libpaddle.__file__) == set()


@pytest.mark.skipif(paddle.__version__ != "2.6.2" or not paddle.is_compiled_with_cuda(), reason="of that wheel")
def test_the_code_of_pypis_wheel_is_read_from_the_library_itself():
    assert gpu_code(paddle.base.libpaddle.__file__) == PYPI


@pytest.mark.skipif(paddle.device.cuda.device_count() > 0, reason="tells what happens without a GPU")
@pytest.mark.parametrize("use", [require_gpus, join])
def test_a_gpu_that_is_not_there_is_told(use):
    with pytest.raises(BmnError, match=r"^gpu:1: (this Paddle .* cannot use a GPU|there is no GPU 1).* cpu$"):
        use("gpu:1")
