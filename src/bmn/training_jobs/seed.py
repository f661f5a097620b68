"""The job of ``bmn seeds``: a training, evaluated as the pipeline does."""

from pathlib import Path
from typing import Any

from bmn.base.params import validate_params
from bmn.data.subset import Subset, open_subset
from bmn.metrics import proposal_recall
from bmn.model.network import BMN
from bmn.proposals.subset import subset_proposals
from bmn.training_jobs.job import Tell, train


def seed(arguments: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Train with the given parameters and evaluate as the pipeline does; see :func:`bmn.training_jobs.job.train`.

    Args:
        arguments: ``params``, and those of every training.

    Returns:
        ``figures``: AR@AN and AUC, in percent, on ``evaluate.subset``.
    """
    params = validate_params(arguments["params"], "the training")

    def figures(network: BMN, _: Subset) -> dict[str, Any]:
        subset = open_subset(Path(arguments["data"]), params.evaluate.subset)
        found = subset_proposals(network, subset, params.proposals, params.evaluate.batch_size)
        return {"figures": proposal_recall(subset.truth(), found).headline()}

    return train(params, arguments, tell, figures, __file__, params.evaluate.model_dump())
