import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from shell import start
from tuning.cheap import Silent, make_params, make_sweep, search_plan, starter
from tuning.test_postgresql import free_port

from bmn.tuning.plan import fill
from bmn.tuning.sweep import describe, environment, gpus
from bmn.tuning.worker import work


@pytest.fixture
def three_gpus(tmp_path, monkeypatch):
    """A host whose driver lists three GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nfor n in 0 1 2; do echo GPU $n: a card; done\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_sweep_uses_the_gpus_that_it_is_given(three_gpus, monkeypatch):
    assert gpus("gpu:1,3") == ["1", "3"]
    assert gpus("cpu") == gpus("cpu:4") == []
    assert gpus("auto") == ["0", "1", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    assert gpus("auto") == ["2", "0"]


def test_each_worker_has_a_gpu_of_its_own(monkeypatch):
    assert [environment(seat, 4, ["2", "5"])["CUDA_VISIBLE_DEVICES"] for seat in range(4)] == ["2", "5", "2", "5"]


def test_workers_on_processors_share_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("bmn.base.runtime._cores", lambda: 8)
    assert environment(0, 3, [])["OMP_NUM_THREADS"] == environment(0, 3, ["0"])["OMP_NUM_THREADS"] == "2"
    assert environment(0, 20, [])["OMP_NUM_THREADS"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in environment(0, 3, [])
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert environment(0, 3, [])["OMP_NUM_THREADS"] == "7"  # the user's own choice stays


def test_a_trial_is_told_in_a_line(tmp_path):
    sweep = make_sweep(tmp_path, make_params(), search_plan(6))
    fill(sweep.shared, sweep.plan)
    work(sweep, starter(), Silent())
    lines = [describe(trial) for trial in sweep.shared.trials()]
    assert lines[0].startswith("trial 0 complete  AUC ")
    assert any("pruned  after 1 epochs, AUC" in line for line in lines)
    failing = make_sweep(tmp_path / "failing", make_params(), search_plan(1))
    fill(failing.shared, failing.plan)
    work(failing, starter(fail=True), Silent())
    assert "trial 0 fail  a bolt is loose" in describe(failing.shared.trials()[0])


def test_the_trials_can_be_looked_at_in_a_browser(tmp_path):
    make_sweep(tmp_path / ".cache/tune", make_params(), {})
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    port = free_port()
    with start(tmp_path, "tune", "ui", "--port", port, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            assert b'"study_name": "bmn"' in ask(f"http://127.0.0.1:{port}/api/studies", server)
        finally:
            server.kill()


def ask(address, server):
    for _ in range(600):
        try:
            return urllib.request.urlopen(address, timeout=5).read()
        except OSError:
            assert server.poll() is None
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")
