"""The study that workers share: its storage, its pruner, and the refusal to mix sweeps that cannot be compared."""

import fcntl
from pathlib import Path
from typing import IO

import optuna
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from bmn.base.errors import BmnError
from bmn.base.params import TuneParams

FOLDER = Path(".cache/tune")


class FileLock:
    """Keeps other processes off the journal; the system lets go of it when its holder dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        self._file = open(self.path, "wb")  # noqa: SIM115 - closed by release
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        assert self._file is not None
        self._file.close()


def open_storage(url: str | None, folder: Path = FOLDER) -> BaseStorage:
    """The storage of all studies: a journal file in a folder, or the database at a URL.

    Raises:
        BmnError: the database cannot be reached, its driver is not installed, or the journal is damaged.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # people read the sweep's own lines
    if url is None:
        return _open_journal(folder / "journal.log")
    try:
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except (SQLAlchemyError, ImportError, optuna.exceptions.StorageInternalError, ValueError) as error:
        cause = str(error.__cause__ or error).strip().splitlines()[0]
        raise BmnError(
            f"params.yaml: tune.storage is {_without_password(url)}; it cannot be opened ({cause}): start the "
            f"database, correct the address, or set null for a file"
        ) from error


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "not a URL"


def _open_journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        raise BmnError(f"{path}: cannot be written ({error.strerror}); make its folder writable") from error
    _drop_torn_line(path)
    lock.release()
    try:
        return JournalStorage(JournalFileBackend(str(path), lock))  # type: ignore[arg-type]
    except ValueError as error:
        raise BmnError(f"{path}: is damaged ({error}); move it away to start anew") from error


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line that has no end: the power failed while it was written, nobody ever acted on it."""
    if not path.exists():
        return
    with open(path, "r+b") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def open_study(storage: BaseStorage, name: str, tune: TuneParams, digest: str) -> optuna.Study:
    """Open a study, made at the first use.

    Args:
        digest: of all that its trials must have in common (:func:`bmn.tuning.space.digest`).

    Raises:
        BmnError: the study there is of another space.
    """
    directions = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE][: 1 + tune.cost]
    study = optuna.create_study(study_name=name, storage=storage, directions=directions, load_if_exists=True)
    study.pruner = pruner(tune)
    if study.user_attrs.setdefault("digest", digest) != digest:
        raise BmnError(
            f"params.yaml: the study {name!r} was begun with another tune.space, other parameters, other data or "
            f"other code, and its trials cannot be compared with new ones; go back to these, or begin another study: "
            f"make tune STUDY=<another name>"
        )
    study.set_user_attr("digest", digest)
    return study


def pruner(tune: TuneParams) -> BasePruner:
    """Asynchronous successive halving; Optuna has none for two objectives."""
    if tune.cost:
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=tune.first_epochs, reduction_factor=tune.reduction)


def rungs(tune: TuneParams, epochs: int) -> list[int]:
    """The epochs after which trials are compared, the last of them all epochs."""
    found = []
    step = tune.first_epochs
    while step < epochs:
        found.append(step)
        step *= tune.reduction
    return [*found, epochs]


def sampler(tune: TuneParams, number: int) -> BaseSampler:
    """The sampler of one trial: seeded by its number, so that what it draws depends on the trials before it alone."""
    seed = 1_000_003 * tune.seed + number
    return TPESampler(seed=seed) if tune.sampler == "tpe" else RandomSampler(seed=seed)
