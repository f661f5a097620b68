"""What came of a sweep: its trials as a table, its best as parameters."""

from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from bmn.base.errors import BmnError
from bmn.base.params import Params
from bmn.recipes.edits import edit
from bmn.tuning.confirmation import better, from_json, values_of, verdict
from bmn.tuning.study import open_storage


def find_study(params: Params) -> optuna.Study:
    """The study that the parameters name.

    Raises:
        BmnError: there is none of that name.
    """
    storage = open_storage(params.tune.storage)
    names = [study.study_name for study in storage.get_all_studies()]
    if params.tune.study not in names:
        there = f"there are {', '.join(map(repr, names))}" if names else "there is none yet; make tune begins one"
        raise BmnError(f"params.yaml: tune.study is {params.tune.study!r}; no such study: {there}")
    return optuna.load_study(study_name=params.tune.study, storage=storage)


def rows(study: optuna.Study) -> list[dict[str, Any]]:
    """The trials that have begun, for a program to read.

    Returns:
        For each ``number``, ``state``, ``AUC`` (percent; the last that is known), ``epochs`` (None: all of them),
        ``seconds`` (None while it runs), ``values`` (what it tried, by dotted key), ``note`` (what went wrong).
    """
    return [_row(trial) for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]


def _row(trial: FrozenTrial) -> dict[str, Any]:
    reported, attributes = trial.intermediate_values, trial.user_attrs
    last = reported[max(reported)] if reported else None
    lost = f"worker {attributes['lost']}" if "lost" in attributes else ""
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "AUC": trial.values[0] if trial.values else last,
        "epochs": None if trial.state == TrialState.COMPLETE else max(reported, default=0),
        "seconds": None if trial.duration is None else trial.duration.total_seconds(),
        "values": {**trial.params, **attributes.get("proposals", {})},
        "note": attributes.get("error") or lost,
    }


def status(study: optuna.Study) -> str:
    """A table of the trials: state, AUC in percent, epochs, seconds, parameters."""
    trials = study.get_trials(deepcopy=False)
    counts = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    lines = [f"{study.study_name}: " + ", ".join(f"{n} {state.name.lower()}" for state, n in counts.items() if n)]
    lines.append(f"{'trial':>5}  {'state':<9}{'AUC':>6}{'epochs':>8}{'seconds':>9}  parameters")
    lines += map(_line, rows(study))
    if "confirmed" in study.user_attrs:
        lines += ["", verdict(from_json(study.user_attrs["confirmed"]))]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    auc = "" if row["AUC"] is None else f"{row['AUC']:.2f}"
    epochs = "all" if row["epochs"] is None else row["epochs"] or ""
    seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f}"
    named = " ".join(f"{key.rpartition('.')[2]}={_short(value)}" for key, value in row["values"].items())
    return f"{row['number']:>5}  {row['state']:<9}{auc:>6}{epochs:>8}{seconds:>9}  {named} {row['note']}".rstrip()


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def apply(study: optuna.Study, number: int | None, path: Path) -> str:
    """Write the confirmed best, or one trial, into the parameter file; gives the difference and what it is based on.

    Raises:
        BmnError: nothing is confirmed yet, or the trial is not complete.
    """
    if number is not None:
        found = [trial for trial in study.get_trials(deepcopy=False) if trial.number == number]
        if not found or found[0].state != TrialState.COMPLETE:
            raise BmnError(
                f"TRIAL is {number}; not a complete trial of {study.study_name!r}: make tune-status lists them"
            )
        return edit(path, values_of(found[0])) or f"{path} stands so already"
    if "confirmed" not in study.user_attrs:
        raise BmnError(
            f"{study.study_name!r} is not confirmed yet; let make tune come to its end, or choose a trial: "
            f"make tune-apply TRIAL=<number>"
        )
    results = from_json(study.user_attrs["confirmed"])
    best = better(results)
    if best is None:
        return f"{verdict(results)}\n{path} stays as it is"
    return f"{verdict(results)}\n{edit(path, best.values) or f'{path} stands so already'}"


def show(storage: str | None, port: int) -> None:
    """Show the trials of all studies in a browser, until Ctrl-C.

    Args:
        storage: of the studies, as :func:`bmn.tuning.study.open_storage` takes it.
    """
    from optuna_dashboard import run_server

    opened = open_storage(storage)
    print(f"http://localhost:{port} (stop it with Ctrl-C)", flush=True)
    run_server(opened, port=port)
