"""A sweep on this host: keeps workers running until every trial of a plan has ended."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from bmn.base.errors import BmnError
from bmn.base.runtime import child_environment
from bmn.launch.lifetime import die_with
from bmn.tuning.plan import counted, fill, mark_lost, unfinished, waiting
from bmn.tuning.worker import Sweep, first_errors

LOOK = 0.5  # seconds between looks at the workers
PATIENCE = 10.0  # seconds that workers have to end in

StartWorker = Callable[[int], "subprocess.Popen[str]"]


def keep_working(sweep: Sweep, workers: int, start_worker: StartWorker, lost: Callable[[FrozenTrial], None]) -> bool:
    """Plan, start workers, start others for those that are killed, until all trials have ended or the time is up.

    Args:
        start_worker: starts the worker of a seat (0, 1, …).
        lost: told of every trial whose worker died.

    Returns:
        Whether all trials have ended.

    Raises:
        BmnError: the first trials failed, all of them, or a worker ended with an error of its own.
    """
    shared, plan = sweep.shared, sweep.plan
    team: dict[int, subprocess.Popen[str]] = {}
    told = {trial.number for trial in shared.trials() if trial.state.is_finished()}
    try:
        while True:
            for trial in mark_lost(shared):
                lost(trial)
            fill(shared, plan)
            _tell(sweep, told)
            if errors := first_errors(sweep):
                raise BmnError(f"no trial succeeds; the first error: {errors[0]}")
            for seat in [seat for seat, worker in team.items() if worker.poll() is not None]:
                if team.pop(seat).returncode > 0:
                    raise BmnError(f"worker {seat} ended with an error, told above; the same command goes on")
            in_time = time.time() < sweep.deadline
            free = [seat for seat in range(workers) if seat not in team]
            for seat, _ in zip(free, waiting(shared, plan) if in_time else (), strict=False):
                team[seat] = start_worker(seat)
            left = unfinished(shared, plan)
            if not team and (left == 0 or not in_time):
                return left == 0
            time.sleep(LOOK)
    finally:
        _dismiss(team)


def _dismiss(team: dict[int, "subprocess.Popen[str]"]) -> None:
    """End the workers; each puts its trial back first."""
    for worker in team.values():
        worker.terminate()
    until = time.monotonic() + PATIENCE
    for worker in team.values():
        try:
            worker.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _tell(sweep: Sweep, told: set[int]) -> None:
    """Print a line for each trial that has ended since."""
    found = counted(sweep.shared.trials())
    ended = sum(slot in found and found[slot].state.is_finished() for slot in sweep.plan)
    for trial in sweep.shared.trials():
        if trial.state.is_finished() and trial.number not in told:
            told.add(trial.number)
            print(f"[{ended}/{len(sweep.plan)}] {describe(trial)}", flush=True)


def describe(trial: FrozenTrial) -> str:
    """A trial in a line: how it ended, its AUC, why it failed."""
    words = f"trial {trial.number} {trial.state.name.lower()}"
    if trial.state == TrialState.COMPLETE:
        words += f"  AUC {trial.values[0]:.2f}"
    elif trial.state == TrialState.PRUNED:
        epochs = max(trial.intermediate_values)
        words += f"  after {epochs} epochs, AUC {trial.intermediate_values[epochs]:.2f}"
    elif "lost" in trial.user_attrs:
        words += f"  its worker {trial.user_attrs['lost']}; it is tried again"
    elif "error" in trial.user_attrs:
        words += f"  {trial.user_attrs['error']}"
    if trial.duration is not None:
        words += f"  {trial.duration.total_seconds():.0f} s"
    return words


def gpus(devices: str) -> list[str]:
    """The GPUs that a sweep may use: those that ``train.devices`` names, with ``auto`` all that there are."""
    kind, _, given = devices.partition(":")
    if kind == "gpu":
        return given.split(",")
    if kind == "cpu" or not shutil.which("nvidia-smi"):
        return []
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [number for number in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if number]
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False).stdout
    return [str(number) for number in range(len(listed.splitlines()))]


def environment(seat: int, workers: int, available: list[str]) -> dict[str, str]:
    """What a worker finds in its environment: its share of the cores, and a GPU of its own."""
    gpu = {"CUDA_VISIBLE_DEVICES": available[seat % len(available)]} if available else {}
    return child_environment(workers) | gpu


def worker_starter(sweep: Sweep, data_digest: str, run: str, data: Path, workers: int) -> StartWorker:
    """What starts the worker of a seat as a process."""
    available = gpus(sweep.params.train.devices)
    params = sweep.params.model_dump()
    params["train"]["devices"] = "auto" if available else "cpu"
    job = {
        "params": params,
        "study": sweep.shared.study.study_name,
        "data_digest": data_digest,
        "plan": {name: asdict(slot) for name, slot in sweep.plan.items()},
        "deadline": sweep.deadline,
        "since": sweep.since.isoformat(),
        "run": run,
        "data": str(data),
    }

    def start(seat: int) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "bmn.tuning.worker"],
            stdin=subprocess.PIPE,
            text=True,
            env=environment(seat, workers, available),
            start_new_session=True,
            preexec_fn=die_with(os.getpid()),
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.close()
        return process

    return start
