"""``python -m bmn.tuning``: the commands behind ``make tune``, ``tune-status``, ``tune-apply`` and ``tune-ui``."""

import argparse
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from bmn.base.errors import BmnError
from bmn.base.params import Params, load_params
from bmn.launch.command import command
from bmn.recipes.edits import edit
from bmn.tuning.confirmation import better, from_json, values_of, verdict
from bmn.tuning.space import check_space, with_values
from bmn.tuning.study import open_storage


@command
def main() -> None:
    """Search for better parameters; choices are in params.yaml, group tune."""
    parser = argparse.ArgumentParser(prog="bmn.tuning", description=main.__doc__)
    parser.add_argument("--study", help="instead of tune.study")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="search, or go on with a search")
    running.add_argument("--trials", type=int, help="in all, instead of tune.trials")
    running.add_argument("--timeout", type=float, help="seconds after which no trial begins")
    running.add_argument("--workers", type=int, help="processes; one a GPU, or one, where not given")
    running.add_argument("--data", type=Path, default=Path("data/processed"), help="the converted data")
    commands.add_parser("status", help="a table of the trials")
    applying = commands.add_parser("apply", help="write the confirmed best into params.yaml")
    applying.add_argument("--trial", type=int, help="this trial instead, confirmed or not")
    viewing = commands.add_parser("ui", help="the trials in a browser (optuna-dashboard)")
    viewing.add_argument("--port", type=int, default=8080)
    given = parser.parse_args()

    path = Path("params.yaml")
    chosen = {"tune.study": given.study, "tune.trials": getattr(given, "trials", None)}
    params = with_values(load_params(path), {key: value for key, value in chosen.items() if value is not None}, "make")
    match given.command:
        case "run":
            if given.workers is not None and given.workers < 1:
                raise BmnError(f"WORKERS is {given.workers}; 1 or more is expected")
            check_space(params)  # a mistake is told at once
            from bmn.tuning.search import run  # here, because MLflow takes seconds to import

            run(params, given.timeout, given.workers, given.data)
        case "status":
            print(status(find_study(params)))
        case "apply":
            print(apply(find_study(params), given.trial, path))
        case "ui":
            from optuna_dashboard import run_server

            print(f"http://localhost:{given.port} (stop it with Ctrl-C)", flush=True)
            run_server(open_storage(params.tune.storage), port=given.port)


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


def status(study: optuna.Study) -> str:
    """A table of the trials: state, AUC in percent, epochs, seconds, parameters."""
    trials = study.get_trials(deepcopy=False)
    counts = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    lines = [f"{study.study_name}: " + ", ".join(f"{n} {state.name.lower()}" for state, n in counts.items() if n)]
    lines.append(f"{'trial':>5}  {'state':<9}{'AUC':>6}{'epochs':>8}{'seconds':>9}  parameters")
    for trial in trials:
        if trial.state != TrialState.WAITING:
            lines.append(_row(trial))
    if "confirmed" in study.user_attrs:
        lines += ["", verdict(from_json(study.user_attrs["confirmed"]))]
    return "\n".join(lines)


def _row(trial: FrozenTrial) -> str:
    reported = trial.intermediate_values
    value = trial.values[0] if trial.values else reported[max(reported)] if reported else None
    auc = "" if value is None else f"{value:.2f}"
    epochs = "all" if trial.state == TrialState.COMPLETE else str(max(reported, default=""))
    seconds = "" if trial.duration is None else f"{trial.duration.total_seconds():.0f}"
    values = {**trial.params, **trial.user_attrs.get("proposals", {})}
    named = (f"{key.rpartition('.')[2]}={_short(value)}" for key, value in values.items())
    notes = trial.user_attrs.get("error") or (
        f"worker {trial.user_attrs['lost']}" if "lost" in trial.user_attrs else ""
    )
    state = trial.state.name.lower()
    return f"{trial.number:>5}  {state:<9}{auc:>6}{epochs:>8}{seconds:>9}  {' '.join(named)} {notes}".rstrip()


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


if __name__ == "__main__":
    main()
