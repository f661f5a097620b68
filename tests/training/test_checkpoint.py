import os
import subprocess
import sys
import threading

import numpy as np
import paddle
import pytest

from bmn.base.errors import BmnError
from bmn.model.network import BMN
from bmn.training.checkpoint import Checkpoints, pack, unpack

ARRAYS = {"network/a": np.arange(6.0).reshape(2, 3), "optimizer/a/_moment1_0": np.ones(3, "float32")}


def save(checkpoints, *iterations):
    for iteration in iterations:
        checkpoints.save(iteration, ARRAYS, {"iteration": iteration, "best": 0.1 + 0.2})


def test_what_is_saved_comes_back_exactly(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 7)
    arrays, state = checkpoints.newest()
    assert state == {"iteration": 7, "best": 0.1 + 0.2}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_there_is_none_at_the_start(tmp_path):
    assert Checkpoints(tmp_path / "not yet").newest() is None


def test_the_last_two_are_kept_in_order_of_iteration(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 9, 10, 100)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["000000010.npz", "000000100.npz"]
    assert checkpoints.newest()[1]["iteration"] == 100


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_one_falls_back_to_the_one_before(tmp_path, capsys, damage):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1, 2)
    path = tmp_path / "000000002.npz"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        place = content.index(np.ones(3, "float32").tobytes())
        content[place] ^= 0xFF
    path.write_bytes({"cut": content[: len(content) // 2], "flipped": content, "empty": b"", "text": b"hello"}[damage])
    assert checkpoints.newest()[1]["iteration"] == 1
    assert "000000002.npz: is damaged" in capsys.readouterr().out


def test_clear_removes_the_folder(tmp_path):
    checkpoints = Checkpoints(tmp_path / "training")
    save(checkpoints, 1)
    checkpoints.clear()
    assert not checkpoints.folder.exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root, to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_a_sentence_and_spares_the_checkpoint_before(small_disk):
    checkpoints = Checkpoints(small_disk / "training")
    save(checkpoints, 1)
    with pytest.raises(BmnError, match=r"000000002\.npz: the checkpoint cannot be written \(No space left on device\)"):
        checkpoints.save(2, {"network/a": np.ones(100_000)}, {})
    assert [path.name for path in checkpoints.folder.iterdir()] == ["000000001.npz"]
    assert checkpoints.newest()[1]["iteration"] == 1


def test_a_file_that_grows_too_large_is_the_same(tmp_path):
    """As a quota does it; a process of its own, because the limit is one of the process."""
    script = """
import resource, sys, numpy as np
from pathlib import Path
from bmn.training.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
checkpoints.save(1, {"a": np.ones(10)}, {})
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
checkpoints.save(2, {"a": np.ones(100_000)}, {})
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "BmnError" in done.stderr
    assert "the checkpoint cannot be written (File too large); make room" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["000000001.npz"]


def build():
    network = BMN(4, 8, 6, 2, 2, 0.5)
    optimizer = paddle.optimizer.Adam(1e-3, parameters=network.parameters())
    return network, optimizer


def step(network, optimizer, seed):
    x = paddle.to_tensor(np.random.default_rng(seed).normal(size=(2, 4, 8)).astype("float32"))
    loss = sum((output**2).mean() for output in network(x))
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()
    return loss.item()


def test_a_network_goes_on_bit_for_bit_in_a_process_that_built_others_before():
    network, optimizer = build()
    for seed in range(3):
        step(network, optimizer, seed)
    packed = pack(network, optimizer)
    expected = [step(network, optimizer, seed) for seed in range(3, 6)]

    again, its_optimizer = build()
    assert again.b_conv1.weight.name != network.b_conv1.weight.name  # Paddle's own names differ by now
    unpack(packed, again, its_optimizer)
    assert [step(again, its_optimizer, seed) for seed in range(3, 6)] == expected


def test_every_parameter_has_its_optimizer_state():
    network, optimizer = build()
    step(network, optimizer, 0)
    packed = pack(network, optimizer)
    for name, _ in network.named_parameters():
        assert f"network/{name}" in packed
        assert {f"optimizer/{name}/_{kind}_0" for kind in ("moment1", "moment2", "beta1_pow_acc")} <= packed.keys()


HOLDER = """
import sys, time
from pathlib import Path
from bmn.training.checkpoint import Checkpoints
with Checkpoints(Path(sys.argv[1])):
    print("holds", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "training")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "holds\n"
        yield process
        process.kill()


def test_who_holds_the_folder_is_named(tmp_path, holder):
    expected = rf"training: process {holder.pid} on .* is running this training; wait until it ends or stop it"
    with pytest.raises(BmnError, match=expected), Checkpoints(tmp_path / "training", patience=0.1):
        pytest.fail("two hold one folder")


@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_one_that_is_dying_is_waited_for(tmp_path, holder, how):
    if how == "ends":
        threading.Timer(0.3, lambda: holder.communicate("\n")).start()
    else:
        threading.Timer(0.3, holder.kill).start()
    with Checkpoints(tmp_path / "training") as checkpoints:
        save(checkpoints, 1)
        checkpoints.clear()
        with pytest.raises(BmnError, match=f"process {os.getpid()} on"):  # cleared, it is held all the same
            subprocess_holds(tmp_path / "training")
    assert list(tmp_path.iterdir()) == []


def subprocess_holds(folder):
    code = "import sys; from pathlib import Path; from bmn.training.checkpoint import Checkpoints\n"
    code += "with Checkpoints(Path(sys.argv[1]), patience=0): pass"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BmnError(done.stderr.splitlines()[-1])
