"""What a step takes, against a real one."""

import subprocess
import sys

import pytest

from bmn.base.schema import ModelParams
from bmn.report.machine import step_memory

SIZES = {"tscale": 50, "dscale": 50}
STEPS = """
import numpy as np
from benchmarks import memory
from bmn.base.schema import ModelParams, TrainParams
from bmn.data.batches import Batch
from bmn.training.distributed import World
from bmn.training.loop import Trainer

def steps(videos, **sizes):
    model, rng = ModelParams(**sizes), np.random.default_rng(0)
    features = rng.random((videos, model.feat_dim, model.tscale), dtype=np.float32)
    batch = Batch(np.arange(videos), features, np.sort(rng.random((videos, 3, 2)), axis=2))
    trainer = Trainer(model, TrainParams(batch_size=videos, micro_batch_size=videos), World(0, 1))
    for _ in range(2):  # the first one makes the optimizer's state
        trainer._step(batch, 1e-3, None, stop=False)

steps(2, feat_dim=8, tscale=16, dscale=12, num_sample=4)  # what is loaded once is not part of a step
memory.release()
before = memory.held("cpu")
steps(4, **{sizes})
print(memory.peak("cpu") - before)
"""


def test_a_step_takes_what_is_foretold_to_a_quarter():
    code = STEPS.replace("{sizes}", repr(SIZES))
    measured = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert step_memory(ModelParams(**SIZES), 4, on_gpus=False) == pytest.approx(measured, rel=0.25)


def test_a_gpu_gathers_a_micro_batch_at_once():
    cpu, gpu = (step_memory(ModelParams(), 4, on_gpus) for on_gpus in (False, True))
    assert gpu > cpu
    assert step_memory(ModelParams(), 1, True) == step_memory(ModelParams(), 1, False)
