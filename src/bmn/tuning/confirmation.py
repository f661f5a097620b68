"""The best of a sweep, trained again from other seeds beside the parameters that were there before.

The best of many trials is partly the luckiest. Only what is better by more than twice the spread over fresh seeds is
called better.
"""

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from bmn.base.params import Params
from bmn.tuning.plan import Plan, Shared, Slot, counted

PRESENT = "present"  # the parameters that the sweep began from


@dataclass(frozen=True)
class Confirmed:
    """A candidate's trainings.

    Attributes:
        name: ``present``, or ``trial 7``.
        values: its parameters, by dotted key.
        aucs: of its trainings, one a seed, in percent.
    """

    name: str
    values: dict[str, Any]
    aucs: list[float]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.aucs)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds."""
        return statistics.stdev(self.aucs)


def candidates(shared: Shared, present: Mapping[str, Any], top: int) -> dict[str, dict[str, Any]]:
    """The parameters to train again, by name: the present ones, then the best trials that differ, best first."""
    complete = [trial for trial in counted(shared.trials()).values() if trial.state == TrialState.COMPLETE]
    found = {PRESENT: dict(present)}
    for trial in sorted(complete, key=lambda trial: (-trial.values[0], trial.number)):
        if values_of(trial) not in found.values() and len(found) <= top:
            found[f"trial {trial.number}"] = values_of(trial)
    return found


def values_of(trial: FrozenTrial) -> dict[str, Any]:
    """All that a trial found, by dotted key: what was trained and what was searched for on it."""
    return {**trial.params, **trial.user_attrs["proposals"]}


def confirmation_plan(found: Mapping[str, Mapping[str, Any]], params: Params) -> Plan:
    """A training of each candidate from each seed; the seeds are none that the sweep used."""
    seeds = range(params.train.seed + 1, params.train.seed + 1 + params.tune.confirm.seeds)
    return {
        f"{name}, seed {seed}": Slot({}, {**values, "train.seed": seed})
        for name, values in found.items()
        for seed in seeds
    }


def confirmed(shared: Shared, found: Mapping[str, Mapping[str, Any]], plan: Plan) -> list[Confirmed]:
    """What came of the candidates that were trained from at least two seeds."""
    ended = counted(shared.trials())
    results = []
    for name, values in found.items():
        trials = [ended[slot] for slot in plan if slot in ended and slot.startswith(f"{name}, ")]
        aucs = [trial.values[0] for trial in trials if trial.state == TrialState.COMPLETE]
        if len(aucs) >= 2:
            results.append(Confirmed(name, dict(values), aucs))
    return results


def better(results: list[Confirmed]) -> Confirmed | None:
    """The candidate that is better than the present parameters by more than twice the spread; None where none is."""
    present = next((one for one in results if one.name == PRESENT), None)
    if present is None:
        return None
    best = max(results, key=lambda one: one.mean)
    return best if best.mean - present.mean > 2 * max(best.spread, present.spread) else None


def verdict(results: list[Confirmed]) -> str:
    """A table of the candidates, and what can be said."""
    lines = [f"{'':<12}{'AUC, mean':>10}{'spread':>8}  over seeds"]
    for one in results:
        seeds = "  ".join(f"{auc:.2f}" for auc in one.aucs)
        lines.append(f"{one.name:<12}{one.mean:>10.2f}{one.spread:>8.2f}  {seeds}")
    best = better(results)
    if best is None:
        lines.append("no candidate is better than the present parameters by more than twice the spread")
    else:
        lines.append(f"best: {best.name}; make tune-apply writes it into params.yaml")
    return "\n".join(lines)


def as_json(results: list[Confirmed]) -> list[dict[str, Any]]:
    """For a study's attributes; :func:`from_json` takes it back."""
    return [asdict(one) for one in results]


def from_json(values: list[dict[str, Any]]) -> list[Confirmed]:
    """See :func:`as_json`."""
    return [Confirmed(**value) for value in values]
