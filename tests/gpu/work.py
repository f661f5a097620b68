"""``python -m work FOLDER PRECISION``: all that a GPU is to do, in small, for its kernels to be recorded.

``off`` is a whole training with what lies around it; a 16-bit precision is the network forth and back, which is what
computes in it.
"""

import sys
from pathlib import Path

import bmn.model.paddle  # noqa: F401  # isort: skip  # Paddle with its settings

import numpy as np
import paddle

from bmn.acquire.raw import Raw
from bmn.acquire.synthetic import make_synthetic
from bmn.base.schema import ModelParams, TrainParams
from bmn.conversion.convert import Choices, convert
from bmn.data.subset import open_subset
from bmn.model.network import BMN
from bmn.proposals import ProposalSettings
from bmn.proposals.subset import subset_proposals
from bmn.training.checkpoint import Checkpoints
from bmn.training.distributed import World
from bmn.training.loop import Trainer
from bmn.training.precision import weights_as

MODEL = ModelParams(feat_dim=8, tscale=16, dscale=12, num_sample=4, num_sample_perbin=2)
STAND_IN = "float64"  # for the types of 16 bits, which few kernels of a CPU have


def train(folder: Path) -> None:
    """Steps, validation, checkpoints, a resume and an evaluation, with every choice of the recipe that computes."""
    make_synthetic(folder / "raw", seed=3, videos={"training": 10, "validation": 5}, feat_dim=8, tscale=16)
    raw = Raw(folder / "raw/features", folder / "raw/annotations.json")
    convert(raw, folder / "processed", Choices(channels=8, tscale=16), folder / "work")
    training, validation = (open_subset(folder / "processed", name) for name in ("training", "validation"))
    recipe = TrainParams(epochs=1, batch_size=4, micro_batch_size=2, clip_norm=1.0, ema_decay=0.9)
    checkpoints = Checkpoints(folder / "checkpoints")
    Trainer(MODEL, recipe, World(0, 1)).fit(training, validation, checkpoints, minutes=5.0, report=None)
    trainer = Trainer(MODEL, recipe, World(0, 1))
    trainer.resume(checkpoints)
    subset_proposals(trainer.network, validation, ProposalSettings(), 2)


def forth_and_back() -> None:
    """The network in the type that stands in for one of 16 bits: all that runs in it here, runs in 16 bits there."""
    network = BMN(**MODEL.model_dump())
    features = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 8, 16)).astype("float32"))
    with weights_as(network, STAND_IN):
        outputs = network(features.astype(STAND_IN))
    sum((output.astype("float32") ** 2).sum() for output in outputs).backward()


if __name__ == "__main__":
    train(Path(sys.argv[1])) if sys.argv[2] == "off" else forth_and_back()
