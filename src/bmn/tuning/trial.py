"""One training of a sweep, as a process of its own: ``python -m bmn.tuning.trial``, started by a worker.

The worker writes to its standard input: first the job, as one line of JSON, then line by line the number of epochs
that it may train to. At the end of the input it ends. What it leaves in its folder is what the worker reads, and what
a later start goes on from: checkpoints, ``history.json`` (a line an epoch), the evaluation of the trained network.

A process of its own keeps trainings apart: memory, devices and Paddle's state end with it, whatever happens in it.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bmn.base.files import write_json
from bmn.base.params import Dimension, Params, validate_params
from bmn.data.batches import ordered_batches
from bmn.data.subset import Subset
from bmn.launch.command import command
from bmn.model.network import BMN
from bmn.model.weights import make_network
from bmn.proposals import concatenate, decode, whole_videos
from bmn.proposals.subset import network_maps
from bmn.training.distributed import join
from bmn.training.loop import Position
from bmn.training.train import Training
from bmn.tuning.proposal_search import Decoded, find
from bmn.tuning.training_process import Job, open_data

BATCH_SIZE = 16  # windows a forward pass of the evaluation


@command
def main() -> None:
    """Train and evaluate as told on standard input."""
    job = Job(**json.loads(sys.stdin.readline()))
    params = validate_params(job.params, "the trial")
    folder = Path(job.folder)
    training, validation = open_data(Path(job.data), job.data_digest)
    world = join(params.train.devices)
    # Another trial may have drawn the same parameters: however long it takes, it is waited for.
    with Training(params, training, validation, folder.parent, Path(), world, patience=-1) as session:
        position = session.position
        print(f"begins after epoch {position.epoch}, iteration {position.iteration}", flush=True)
        trained = session.run(stop=permission(position, folder))
        write_json(folder / "history.json", trained.history)
        network = make_network(params.model, trained.best)
        write_json(folder / job.evaluation, evaluate(network, validation, params, job))


def permission(position: Position, folder: Path) -> Callable[[], bool]:
    """What the training asks before every iteration: waits, with the history written, until it may go on."""
    allowed = written = 0

    def wait() -> bool:
        nonlocal allowed, written
        if position.epoch > written:
            write_json(folder / "history.json", position.history)
            written = position.epoch
        while position.epoch >= allowed:
            line = sys.stdin.readline()
            if not line:
                sys.exit()  # its worker wants no more, or is no more; the checkpoint is written
            allowed = int(line)
        return False

    return wait


def evaluate(network: BMN, validation: Subset, params: Params, job: Job) -> dict[str, Any]:
    """The figures of a trained network, and the proposal parameters that suit it best."""
    decoded, seconds = decode_all(network, validation)
    searched_on, reported_on = decoded.split()
    dimensions = {key: Dimension(**values) for key, values in job.searched.items()}
    started = time.perf_counter()
    best = find(searched_on, dimensions, params.proposals, job.evaluations) if dimensions else params.proposals
    found = {key: getattr(best, key.removeprefix("proposals.")) for key in dimensions}
    figures = {
        "AUC": reported_on.auc(best),
        "AUC before the search": reported_on.auc(params.proposals),
        "milliseconds a video": 1000 * seconds,
        "search seconds": time.perf_counter() - started,
    }
    if dimensions:
        figures["AUC searched on"] = searched_on.auc(best)
    return {"figures": figures, "proposals": found}


def decode_all(network: BMN, subset: Subset) -> tuple[Decoded, float]:
    """The candidates of every video of a subset, and the seconds that the network takes for a window (median)."""
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


if __name__ == "__main__":
    main()
