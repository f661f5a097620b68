"""Log an evaluation and an export in a process that can be killed: ``filing.py RUN EXPORTED ALPHA [COMMITS]``.

It is killed (SIGKILL) after so many commits to the database.
"""

import os
import random
import signal
import sys
from itertools import count
from pathlib import Path

import numpy as np
from sqlalchemy import Engine, event
from tracking.subsets import results, validation

from bmn import tracking
from bmn.base.params import validate_params


def main(run_id: str, exported: str, alpha: str, commits: str = "0") -> None:
    number = count(1)

    @event.listens_for(Engine, "commit")
    def kill(_: object) -> None:
        if next(number) == int(commits):
            os.kill(os.getpid(), signal.SIGKILL)

    values = {"data": {"source": "synthetic"}, "proposals": {"alpha": float(alpha)}}
    params = validate_params(values, "params.yaml")
    Path("proposals.json").write_text("{}")
    tracking.log_evaluation(
        params, run_id, validation(), results(), {"evaluate/AUC": 60 + float(alpha), "evaluate/AR@1": 10.0},
        {"evaluate/AR": (range(1, 101), np.linspace(10, 70, 100))}, {Path("proposals.json"): "proposals"},
    )  # fmt: skip
    example = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)
    tracking.log_export(params, run_id, Path(exported), example, 12.5, {"BMN.json": random.random()})
    print("commits", next(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
