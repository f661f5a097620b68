"""A process that performs one training step per line of input and reports its cost.

For what a single process cannot compare: the memory that a step adds, and Paddle with its default settings.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Order:
    """What the process measures.

    Attributes:
        form: ``ours`` or ``published``.
        model: network sizes.
        plain: Paddle with its defaults, without the settings of :mod:`bmn.base.runtime`.
    """

    form: str
    model: dict[str, Any]
    batch: int
    device: str
    plain: bool = False


@dataclass(frozen=True)
class Report:
    """The cost of a step.

    Attributes:
        seconds: duration of this step.
        added: peak bytes of all steps so far, above those held before the first one.
        whole: peak bytes of the whole process.
    """

    seconds: float
    added: int
    whole: int


class Child:
    """The process that carries out an order."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def step(self) -> Report:
        """Perform one training step."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("step\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                return Report(**json.loads(line))
        raise RuntimeError(f"the process ended with {self._process.wait()} before finishing a step")


@contextmanager
def child(order: Order) -> Iterator[Child]:
    """Start a process, and end it after use.

    A plain process gets an environment without any of the settings. Since bmn would apply them again, :func:`main` also
    imports Paddle first; after that, bmn changes nothing.
    """
    environment = dict(os.environ)
    if order.plain:
        from bmn.base.runtime import tune_process

        for name in tune_process():
            environment.pop(name, None)
    words = [sys.executable, "-m", "benchmarks.child", json.dumps(asdict(order))]
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Child(process)
        process.communicate()


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    if order.plain:
        importlib.import_module("paddle")
    else:
        importlib.import_module("bmn.model.paddle")
        importlib.import_module("bmn.base.runtime").tune_process()
    import paddle

    from benchmarks import memory
    from benchmarks.forms import make_network, training_step, wait_for
    from bmn.base.schema import ModelParams

    paddle.set_device(order.device)
    wait = wait_for(order.device)

    def make(model: ModelParams, batch: int) -> Any:
        return training_step(make_network(model), order.form, batch)

    # A minimal step first: what the first step loads once is not part of a step's memory.
    make(ModelParams(feat_dim=4, tscale=2, dscale=2, num_sample=1, num_sample_perbin=1), 1)()
    step = make(ModelParams(**order.model), order.batch)
    memory.release()
    before = memory.held(order.device)
    for _ in sys.stdin:
        wait()
        begin = time.perf_counter()
        step()
        wait()
        seconds = time.perf_counter() - begin
        peak = memory.peak(order.device)
        print(json.dumps(asdict(Report(seconds, peak - before, peak))), flush=True)


if __name__ == "__main__":
    main()
