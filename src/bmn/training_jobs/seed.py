"""The job of ``bmn seeds``: a training, evaluated as the pipeline does."""

from pathlib import Path
from typing import Any

from bmn.base.params import validate_params
from bmn.classify.subset import learn, subset_detections
from bmn.data.subset import Subset, open_subset
from bmn.metrics.assessment import assess
from bmn.model.network import BMN
from bmn.proposals.subset import subset_proposals
from bmn.training_jobs.job import Tell, train


def seed(arguments: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Train with the given parameters and evaluate as the pipeline does; see :func:`bmn.training_jobs.job.train`.

    Args:
        arguments: ``params``, and those of every training.

    Returns:
        ``figures``: AR@AN, AUC, AR@100 of short segments and, where our own classifier tells labels apart, mAP, in
        percent, on ``evaluate.subset``.
    """
    params = validate_params(arguments["params"], "the training")
    data = Path(arguments["data"])

    def figures(network: BMN, _: Subset) -> dict[str, Any]:
        subset = open_subset(data, params.evaluate.subset)
        found = subset_proposals(network, subset, params.proposals, params.evaluate.batch_size)
        learned = learn(network, open_subset(data, "training"), params.classify) if params.classify.enabled else None
        detected = subset_detections(learned, subset, found) if learned else None
        assessment = assess(subset.ground_truth, found, detected)
        return {"figures": assessment.metrics() | assessment.of_short()}

    return train(params, arguments, tell, figures, __file__, params.model_dump(include={"evaluate", "classify"}))
