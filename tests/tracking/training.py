"""Log a training of 300 iterations in a process that can be killed: ``training.py [SECONDS]``.

It writes a checkpoint every 7 iterations and is killed (SIGKILL) SECONDS after its first iteration.
"""

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from tracking.subsets import validation

from bmn import tracking
from bmn.base.files import read_json, write_json
from bmn.base.params import validate_params
from bmn.tracking import outbox

ITERATIONS = 300  # more than the kills leave time for
outbox.EVERY = 0.05


def main() -> None:
    params = validate_params({"data": {"source": "synthetic"}, "train": {"epochs": 9}}, "params.yaml")
    checkpoint = Path("work/checkpoint.json")
    done = read_json(checkpoint)["done"] if checkpoint.exists() else 0
    with tracking.training_run(params, Path("work/run.json"), [validation()]) as run:
        if len(sys.argv) > 1:
            threading.Timer(float(sys.argv[1]), os.kill, (os.getpid(), signal.SIGKILL)).start()
        for iteration in range(done + 1, ITERATIONS + 1):
            time.sleep(0.01)
            run.metrics({"train/loss": 1 / iteration, "train/videos_per_second": random.random()}, iteration)
            if iteration % 10 == 0:
                run.metrics({"val/AUC": 50 + iteration / 10}, iteration)
            if iteration % 7 == 0:
                write_json(checkpoint, {"done": iteration})
        Path("best.pdparams").write_bytes(b"weights")
        run.losses([{"epoch": 1, "train/loss": 0.5, "val/loss": 0.5}])
        run.checkpoint(Path("best.pdparams"), ITERATIONS)
        run.checkpoint(Path("best.pdparams"), ITERATIONS)


if __name__ == "__main__":
    main()
