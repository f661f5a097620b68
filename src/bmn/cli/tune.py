"""``bmn tune``: a sweep over parameters; its choices are in params.yaml, group tune."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bmn.base.schema import Params

PARAMS = Path("params.yaml")
of_study: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--study", help="Name of the study, instead of tune.study."
)


@click.group()
def main() -> None:
    """Search for better parameters: run, status, apply, proposals, ui."""


@main.command()
@of_study
@click.option("--trials", type=int, help="Trials in all, instead of tune.trials.")
@click.option("--timeout", type=float, help="Seconds after which no trial begins; without it there is no end.")
@click.option("--workers", type=click.IntRange(min=1), help="Trials at once, instead of execution.jobs.")
@click.option("--data", type=Path, default="data/processed", help="Converted data.")
def run(study: str | None, trials: int | None, timeout: float | None, workers: int | None, data: Path) -> None:
    """Search, or go on with a search."""
    from bmn.tuning.space import check_space

    params = chosen(study, {"tune.trials": trials, "execution.jobs": workers})
    check_space(params)  # a mistake is told at once
    from bmn.tuning.driver import tune  # here, because MLflow takes seconds to import

    tune(params, timeout, data)


@main.command()
@of_study
@click.option("--json", "as_json", is_flag=True, help="Print the trials as JSON, a list with an object a trial.")
def status(study: str | None, as_json: bool) -> None:
    """Show a table of the trials, while a sweep runs or later."""
    from bmn.tuning.study import find_study, rows, status

    found = find_study(chosen(study))
    print(json.dumps(rows(found)) if as_json else status(found))


@main.command()
@of_study
@click.option("--trial", type=int, help="Number of a trial to take instead, confirmed or not.")
def apply(study: str | None, trial: int | None) -> None:
    """Write the confirmed best of a sweep into params.yaml."""
    from bmn.tuning.confirmation import apply
    from bmn.tuning.study import find_study

    print(apply(find_study(chosen(study)), trial, PARAMS))


@main.command()
@click.option("--weights", type=Path, default="outputs/train/best.pdparams", help="Weights to search for.")
@click.option("--data", type=Path, default="data/processed", help="Converted data.")
def proposals(weights: Path, data: Path) -> None:
    """Fit proposals.* to weights, without a sweep, in minutes.

    What tune.space names of proposals is searched on the validation videos, and written into params.yaml only where
    that gains significantly on videos that a search did not see. Prints the figures.
    """
    from bmn.tuning.proposal_fit import fit_proposals

    print(fit_proposals(chosen(None), data, weights, PARAMS))


@main.command()
@click.option("--port", type=int, default=8080, help="Port to listen at.")
def ui(port: int) -> None:
    """Show the trials of all sweeps in a browser, until Ctrl-C (optuna-dashboard)."""
    from bmn.tuning.study import show

    show(chosen(None).tune.storage, port)


def chosen(study: str | None, others: dict[str, Any] | None = None) -> "Params":
    """The parameters, with what was given on the command line in their place."""
    from bmn.base.params import load_params
    from bmn.tuning.space import with_values

    given = {"tune.study": study, **(others or {})}
    return with_values(
        load_params(PARAMS), {key: value for key, value in given.items() if value is not None}, "bmn tune"
    )
