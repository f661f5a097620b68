"""A study: its storage, pruner and sampler, the lock of its driver, and its status."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bmn.base.errors import BmnError
from bmn.base.files import turn
from bmn.base.schema import Params, TuneParams
from bmn.training_jobs.folders import SWEEPS
from bmn.tuning.confirmation import Confirmation

LOCKS = {  # held by a database connection until it closes, for whatever reason
    "postgresql": "SELECT pg_try_advisory_lock(hashtext(:name))",
    "mysql": "SELECT GET_LOCK(:name, 0)",
}
PATIENCE = 5.0  # seconds that a server may need to notice that the process of a connection has ended


@contextmanager
def only_driver(storage: BaseStorage, name: str, folder: Path = SWEEPS) -> Iterator[None]:
    """Lock a study for one driver; the lock dies with its process.

    Raises:
        BmnError: another driver holds it, or the study's database stops responding.
    """
    taken = (
        f"params.yaml: tune.study is {name!r}; another bmn tune is running it: stop that one, or start "
        f"another study: make tune STUDY=<another name>"
    )
    with ExitStack() as held:
        held.enter_context(turn(folder / f"{name}.study", taken))
        if isinstance(storage, RDBStorage):
            held.enter_context(_responding(storage.url))
        if isinstance(storage, RDBStorage) and storage.engine.dialect.name in LOCKS:
            autocommit = storage.engine.execution_options(isolation_level="AUTOCOMMIT")  # servers end idle transactions
            connection = held.enter_context(autocommit.connect())
            connection.detach()  # so that it is closed, not kept in the pool with its lock
            question = text(LOCKS[storage.engine.dialect.name])
            late = time.monotonic() + PATIENCE
            while not connection.execute(question, {"name": f"bmn {name}"}).scalar():
                if time.monotonic() > late:
                    raise BmnError(taken)
                time.sleep(0.1)
        yield


@contextmanager
def _responding(url: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise BmnError(
            f"params.yaml: tune.storage is {url}; it no longer responds ({_cause(error)}): start the database; the "
            f"same command resumes"
        ) from error


def open_storage(url: str | None, folder: Path = SWEEPS) -> BaseStorage:
    """The storage of all studies: a journal file in a folder, or the database at a URL.

    Raises:
        BmnError: the database cannot be reached, its driver is not installed, or the journal is damaged.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # people read the sweep's own lines
    if url is None:
        return _open_journal(folder / "journal.log")
    try:
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except (SQLAlchemyError, ImportError, StorageInternalError, ValueError, RuntimeError) as error:
        raise BmnError(
            f"params.yaml: tune.storage is {url}; it cannot be opened ({_cause(error)}): start the "
            f"database, name a database of Optuna's own, or set null for a file"
        ) from error


def _cause(error: Exception) -> str:
    return str(error.__cause__ or error).strip().splitlines()[0]


def _open_journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        with lock:
            _drop_torn_line(path)
    except OSError as error:
        raise BmnError(f"{path}: cannot be written ({error.strerror}); make its folder writable") from error
    try:
        return JournalStorage(JournalFileBackend(str(path), lock))  # type: ignore[arg-type]
    except ValueError as error:
        raise BmnError(f"{path}: is damaged ({error}); move it away to start over") from error


def _drop_torn_line(path: Path) -> None:
    """Cut off an incomplete last line, left by a power failure."""
    if not path.exists():
        return
    with open(path, "r+b") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def open_study(storage: BaseStorage, name: str, tune: TuneParams, digest: str) -> optuna.Study:
    """Open a study, creating it on first use.

    Args:
        digest: identifies all that its trials must share (:func:`bmn.tuning.space.digest`).

    Raises:
        BmnError: the existing study has another digest.
    """
    directions = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE][: 1 + tune.cost]
    study = optuna.create_study(study_name=name, storage=storage, directions=directions, load_if_exists=True)
    study.pruner = SuccessiveHalvingPruner(min_resource=tune.first_epochs, reduction_factor=tune.reduction)
    if study.user_attrs.setdefault("digest", digest) != digest:
        raise BmnError(
            f"params.yaml: the study {name!r} was started with another tune.space, other parameters, other data or "
            f"other code, so its trials are not comparable with new ones; go back to those, or start another study: "
            f"make tune STUDY=<another name>"
        )
    study.set_user_attr("digest", digest)
    return study


def find_study(params: Params) -> optuna.Study:
    """The study named in the parameters.

    Raises:
        BmnError: it does not exist.
    """
    storage = open_storage(params.tune.storage)
    names = optuna.get_all_study_names(storage)
    if params.tune.study not in names:
        there = (
            f"existing studies: {', '.join(map(repr, names))}" if names else "there is none yet; make tune starts one"
        )
        raise BmnError(f"params.yaml: tune.study is {params.tune.study!r}; no such study: {there}")
    return optuna.load_study(study_name=params.tune.study, storage=storage)


def sampler(tune: TuneParams, number: int) -> BaseSampler:
    """The sampler of one trial, seeded by its number: what it draws depends only on the trials before it."""
    seed = 1_000_003 * tune.seed + number
    return TPESampler(seed=seed) if tune.sampler == "tpe" else RandomSampler(seed=seed)


def rows(study: optuna.Study) -> list[dict[str, Any]]:
    """The trials that have started, for a program to read.

    Returns:
        For each ``number``, ``state``, ``AUC`` (percent; the latest known), ``epochs`` (None: all),
        ``seconds`` (None while running), ``values`` (by dotted key), ``note`` (why it failed).
    """
    return [_row(trial) for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]


def _row(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "AUC": latest_auc(trial),
        "epochs": None if trial.state == TrialState.COMPLETE else trial.last_step or 0,
        "seconds": None if trial.duration is None else trial.duration.total_seconds(),
        "values": {**trial.params, **trial.user_attrs.get("proposals", {})},
        "note": trial.user_attrs.get("error", ""),
    }


def latest_auc(trial: FrozenTrial) -> float | None:
    """The AUC of a trial, in percent: the one that counts, or that of its last epoch so far."""
    return trial.values[0] if trial.values else trial.intermediate_values.get(trial.last_step or 0)


def describe(trial: FrozenTrial) -> str:
    """A finished trial in one line."""
    row = _row(trial)
    auc = "" if row["AUC"] is None else f"AUC {row['AUC']:.2f}"
    epochs = f"after {row['epochs']} epochs" if row["epochs"] else ""
    words = [f"trial {row['number']} {row['state']}", epochs, auc, row["note"], f"{row['seconds']:.0f} s"]
    return "  ".join(filter(None, words))


def status(study: optuna.Study) -> str:
    """A table of the trials, and the verdict if the sweep is confirmed."""
    trials = study.get_trials(deepcopy=False)
    counts = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    lines = [f"{study.study_name}: " + ", ".join(f"{n} {state.name.lower()}" for state, n in counts.items() if n)]
    lines.append(f"{'trial':>5}  {'state':<9}{'AUC':>6}{'epochs':>8}{'seconds':>9}  parameters")
    lines += map(_line, rows(study))
    known = Confirmation.of(study)
    lines += ["", known.verdict()] if known else []
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    auc = "" if row["AUC"] is None else f"{row['AUC']:.2f}"
    epochs = "all" if row["epochs"] is None else row["epochs"] or ""
    seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f}"
    return (
        f"{row['number']:>5}  {row['state']:<9}{auc:>6}{epochs:>8}{seconds:>9}  {named(row['values'])} {row['note']}"
    ).rstrip()


def named(values: Mapping[str, Any]) -> str:
    """Parameters in one line, by the last part of their keys."""
    return " ".join(f"{key.rpartition('.')[2]}={short(value)}" for key, value in values.items())


def short(value: Any) -> str:
    """A value with few digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def show(storage: str | None, port: int) -> None:
    """Show the trials of all studies in a browser, until Ctrl-C."""
    from optuna_dashboard import run_server

    opened = open_storage(storage)
    print(f"http://localhost:{port} (stop it with Ctrl-C)", flush=True)
    run_server(opened, port=port)
