"""Validation during training: losses and recall on a subset, independent of the number of processes."""

from dataclasses import dataclass

import numpy as np

from bmn.base.schema import TrainParams
from bmn.data.batches import video_batches
from bmn.data.subset import Subset
from bmn.loss.labels import label_maps
from bmn.loss.losses import Losses, bmn_loss
from bmn.loss.normalizers import normalizers
from bmn.metrics import Recall, proposal_recall
from bmn.model.network import BMN
from bmn.model.paddle import paddle
from bmn.proposals import ProposalSettings
from bmn.proposals.subset import Proposer, network_maps
from bmn.training.distributed import World

BATCH_SIZE = 16  # fixed, so that the figures do not depend on the recipe


@dataclass(frozen=True)
class Validation:
    """Losses and recall of a subset.

    Attributes:
        losses: loss, tem_loss, pem_reg_loss, pem_cls_loss, averaged over batches, weighted by size.
        recall: of the proposals, always with the published settings, so that the choice of the best weights does not
            depend on ``proposals.*``.
    """

    losses: dict[str, float]
    recall: Recall

    def metrics(self) -> dict[str, float]:
        """All values, under the names used in the history."""
        figures = self.losses | self.recall.headline()
        return {f"val/{name}": value for name, value in figures.items()}


def validate(network: BMN, subset: Subset, recipe: TrainParams, world: World) -> Validation:
    """Validate; every process takes a share of the batches and gets the result of all."""
    total = np.zeros(len(Losses._fields))
    proposer = Proposer(subset, ProposalSettings())
    uniform = paddle.to_tensor(np.random.default_rng(0).random((2, network.dscale, network.tscale), dtype=np.float32))
    batches = video_batches(subset.store.windows, BATCH_SIZE, world.rank, world.size)
    for batch, maps in network_maps(network, subset, batches):
        labels = label_maps(batch.segments, network.tscale, network.dscale, recipe.scale_invariant)
        losses = bmn_loss(maps, labels, uniform, normalizers(labels, uniform), recipe.loss_weights.in_order())
        total += len(batch.rows) * np.array([part.item() for part in losses])
        proposer.add(batch, maps)
    shares = world.gather((total, proposer.found))
    mean = sum(total for total, _ in shares) / len(subset.store)
    everything = {video: rows for _, found in shares for video, rows in found.items()}
    losses_by_name = dict(zip(Losses._fields, mean.tolist(), strict=True))
    return Validation(losses_by_name, proposal_recall(subset.truth(), everything))
