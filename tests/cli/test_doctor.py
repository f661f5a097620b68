"""``bmn doctor`` on this machine."""

import json
import re

import paddle
import pytest
from shell import ROOT, bmn

pytestmark = pytest.mark.skipif(paddle.device.cuda.device_count() > 0, reason="tells what it says without a GPU")
PARAMS = ROOT / "params.yaml"


@pytest.fixture
def asking(tmp_path):
    """A function that runs the doctor with some text of params.yaml replaced."""

    def ask(old, new, *words):
        text = PARAMS.read_text()
        assert old in text
        (tmp_path / "params.yaml").write_text(text.replace(old, new, 1))
        return bmn(tmp_path, "doctor", *words)

    return ask


def test_it_tells_what_training_runs_on_and_what_a_step_takes(asking):
    done = asking("epochs:", "epochs:", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["paddle"].startswith(paddle.__version__)
    assert found["runs_on"] == "execution.devices: auto is the CPU, in one process"
    assert found["gpus"] == found["stops"] == []
    assert 0 < found["needs"] < found["available"]


def test_a_gpu_that_is_not_there_is_to_mend_and_the_exit_code_tells(asking):
    done = asking(
        "devices: auto",
        "devices: gpu:0",
    )
    assert done.returncode == 1
    assert re.search(r"^mend: gpu:0: .*cpu$", done.stdout, re.MULTILINE)
    assert "execution.devices: gpu:0 is 1 process\n" in done.stdout
