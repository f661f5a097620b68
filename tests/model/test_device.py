import paddle
import pytest

from bmn.base.errors import BmnError
from bmn.model import device
from bmn.model.device import gpu_code, has_code, require_gpus
from bmn.model.weights import load_network
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


@pytest.fixture
def hopper(monkeypatch):
    """A made-up GPU, as no real one is at hand: Paddle of PyPI on a host with an H100."""
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(paddle.device.cuda, "get_device_capability", lambda number: (9, 0))
    monkeypatch.setattr(paddle.device.cuda, "get_device_name", lambda number: "H100")
    monkeypatch.setattr(device, "_own_code", lambda: PYPI)


@pytest.mark.parametrize("devices", ["auto", "gpu:0"])
def test_a_gpu_that_paddle_has_no_code_for_is_told_before_anything_runs(hopper, devices, weights, model):
    for use in (lambda: join(devices), lambda: load_network(model, weights)):
        with pytest.raises(BmnError, match=r"^H100: .* capability 9\.0; install .*PADDLE_INDEX=.*, or choose cpu$"):
            use()


def test_a_gpu_that_paddle_has_code_for_may_run(hopper, monkeypatch):
    monkeypatch.setattr(paddle.device.cuda, "get_device_capability", lambda number: (8, 9))
    require_gpus("gpu:0")


@pytest.mark.skipif(paddle.is_compiled_with_cuda(), reason="tells what the build for CPUs has")
def test_a_library_for_cpus_has_no_gpu_code():
    assert gpu_code(paddle.base.libpaddle.__file__) == set()


@pytest.mark.skipif(
    paddle.__version__ != "2.6.2" or not paddle.is_compiled_with_cuda(),
    reason="paddlepaddle-gpu 2.6.2 is not installed: make check-gpu",
)
def test_the_code_of_pypis_wheel_is_read_from_the_library_itself():
    assert gpu_code(paddle.base.libpaddle.__file__) == PYPI


@pytest.mark.skipif(paddle.device.cuda.device_count() > 0, reason="tells what happens without a GPU")
@pytest.mark.parametrize("use", [require_gpus, join])
def test_a_gpu_that_is_not_there_is_told(use):
    with pytest.raises(BmnError, match=r"^gpu:1: (this Paddle .* cannot use a GPU|there is no GPU 1).* cpu$"):
        use("gpu:1")
