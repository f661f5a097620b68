"""Trainings in the caches that nobody uses: their checkpoints, histories and evaluations."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bmn.tracking.garbage import Garbage
from bmn.training_jobs.folders import SEEDS, SWEEPS

DAY = 86400.0  # seconds
CACHES = {
    Path(".cache/train"): "checkpoints of a training that did not end",
    SEEDS: "a cached training of bmn seeds",
    SWEEPS / "trainings": "a cached training of a sweep",
}


def of_trainings(days: float) -> list[Garbage]:
    """The folders of trainings that were not written to for so many days; none that a training or sweep is using."""
    sweeping = any(_is_held(lock) for lock in SWEEPS.glob("*.lock"))
    found = []
    for cache, reason in CACHES.items():
        if cache.is_relative_to(SWEEPS) and sweeping:
            continue
        for folder in sorted(path for path in cache.glob("*") if path.is_dir() and not path.is_symlink()):
            if not _is_held(_lock(folder)) and time.time() - _written(folder) >= days * DAY:
                found.append(Garbage(folder, reason))
    return found


def delete(garbage: Garbage) -> bool:
    """Delete a folder, unless a training has begun to use it; returns whether it is gone."""
    if garbage.path.parent not in CACHES:
        shutil.rmtree(garbage.path)
        return True
    with _held(_lock(garbage.path)) as free:
        if free:
            shutil.rmtree(garbage.path)
            _lock(garbage.path).unlink(missing_ok=True)
        return free


def _written(folder: Path) -> float:
    """When anything in a folder was last written, in seconds; now, if it goes while one looks."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:
        return time.time()


def _lock(folder: Path) -> Path:
    """The lock that a training holds; see :class:`bmn.training.checkpoint.Checkpoints`."""
    return folder.with_name(f"{folder.name}.lock")


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    with _held(lock) as free:
        return not free


@contextmanager
def _held(lock: Path) -> Iterator[bool]:
    """Hold a lock, if nobody else does."""
    own, existed = FileLock(lock, timeout=0), lock.exists()
    try:
        own.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        if not existed:
            lock.unlink(missing_ok=True)  # while held: a waiting process then locks a new file
        own.release()
