"""The job of a trial: a training, evaluated with the proposal parameters that suit it best."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from bmn.base.params import validate_params
from bmn.base.schema import Dimension, Params
from bmn.data.batches import ordered_batches
from bmn.data.subset import Subset
from bmn.model.network import BMN
from bmn.proposals import concatenate, decode, whole_videos
from bmn.proposals.subset import network_maps
from bmn.training_jobs.job import Tell, train
from bmn.tuning.proposal_search import Decoded, find

BATCH_SIZE = 16  # windows per forward pass of the evaluation


def trial(arguments: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Train with the given parameters and evaluate on the validation subset; see :func:`bmn.training_jobs.job.train`.

    Args:
        arguments: ``params``; ``searched``, the dimensions of ``proposals.`` for the inner search, if any; and those
            of every training.

    Returns:
        ``figures``, metrics by name, with ``AUC`` (percent) and ``milliseconds a video``, and ``proposals``, the result
        of the inner search by dotted key.
    """
    params = validate_params(arguments["params"], "the trial")
    searched = {key: Dimension(**values) for key, values in arguments["searched"].items()}

    def figures(network: BMN, validation: Subset) -> dict[str, Any]:
        return evaluate(network, validation, params, searched)

    return train(params, arguments, tell, figures, __file__, [arguments["searched"], params.tune.evaluations])


def evaluate(network: BMN, validation: Subset, params: Params, searched: Mapping[str, Dimension]) -> dict[str, Any]:
    """The metrics of a trained network, and the proposal parameters that suit it best."""
    decoded, seconds = decode_all(network, validation)
    searched_on, reported_on = decoded.split()
    started = time.perf_counter()
    best = find(searched_on, searched, params.proposals, params.tune.evaluations) if searched else params.proposals
    found = {key: getattr(best, key.removeprefix("proposals.")) for key in searched}
    figures = {
        "AUC": reported_on.auc(best),
        "AUC before the search": reported_on.auc(params.proposals),
        "milliseconds a video": 1000 * seconds,
        "search seconds": time.perf_counter() - started,
    }
    if searched:
        figures["AUC searched on"] = searched_on.auc(best)
    return {"figures": figures, "proposals": found}


def decode_all(network: BMN, subset: Subset) -> tuple[Decoded, float]:
    """The candidates of every video of a subset, and the network's median seconds per window."""
    parts, windows, seconds = [], [], []
    before = time.perf_counter()
    for batch, maps in network_maps(network, subset, ordered_batches(len(subset.store), BATCH_SIZE)):
        arrays = [tensor.numpy() for tensor in maps]
        seconds.append((time.perf_counter() - before) / len(batch.rows))
        parts.append(decode(*arrays))
        windows += [subset.store.windows[row] for row in batch.rows]
        before = time.perf_counter()
    candidates = whole_videos(concatenate(parts), windows, subset.durations())
    return Decoded(candidates, subset.truth()), float(np.median(seconds))
