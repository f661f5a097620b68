"""Validation and evaluation of long videos, cut into windows."""

import numpy as np
import paddle

from bmn.acquire.raw import Raw
from bmn.acquire.synthetic import make_synthetic
from bmn.base.schema import TrainParams
from bmn.conversion.convert import Choices, convert
from bmn.data.subset import open_subset
from bmn.metrics import proposal_recall
from bmn.model.network import BMN
from bmn.proposals import ProposalSettings
from bmn.proposals.subset import subset_proposals
from bmn.training.distributed import World
from bmn.training.validation import validate


def test_windows_are_evaluated_as_whole_videos(tmp_path, model):
    make_synthetic(tmp_path / "raw", seed=3, videos={"training": 2, "validation": 5}, feat_dim=8, tscale=40)
    raw = Raw(tmp_path / "raw" / "features", tmp_path / "raw" / "annotations.json")
    choices = Choices(channels=model.feat_dim, tscale=model.tscale, length="window", overlap=0.5)
    convert(raw, tmp_path / "out", choices, tmp_path / "work")
    subset = open_subset(tmp_path / "out", "validation")
    assert [window.video for window in subset.store.windows[:5]] == ["validation_00000"] * 4 + ["validation_00001"]

    paddle.seed(1)
    network = BMN(**model.model_dump())
    found = subset_proposals(network, subset, ProposalSettings(), batch_size=3)
    assert found.keys() == subset.videos.keys()
    for name, rows in found.items():
        assert 0 < len(rows) <= 100
        assert rows[:, 1].max() <= subset.videos[name].duration
        assert (np.diff(rows[:, 2]) <= 0).all()
    validation = validate(network, subset, TrainParams(), World(0, 1))
    assert validation.recall.headline() == proposal_recall(subset.truth(), found).headline()
