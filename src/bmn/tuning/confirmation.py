"""The best trials of a sweep, trained again with fresh seeds next to the current parameters.

The best of many trials is partly the luckiest. Only a candidate whose mean gain exceeds twice the standard deviation
over fresh seeds is called better.
"""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from bmn.base.errors import BmnError
from bmn.recipes.edits import edit

CURRENT = "current"  # the parameters that the sweep started from
FACTOR = 2  # standard deviations that a gain must exceed
FEW = 100  # validation videos; with fewer, metrics vary a lot


@dataclass(frozen=True)
class Confirmed:
    """A candidate's trainings.

    Attributes:
        name: ``current`` or, say, ``trial 7``.
        values: its parameters, by dotted key.
        aucs: one per seed, in percent.
    """

    name: str
    values: dict[str, Any]
    aucs: list[float]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.aucs)

    @property
    def deviation(self) -> float:
        """Standard deviation over the seeds."""
        return statistics.stdev(self.aucs)


@dataclass(frozen=True)
class Confirmation:
    """The result of confirming the candidates.

    Attributes:
        videos: number of videos that the AUC is computed on.
    """

    candidates: list[Confirmed]
    videos: int

    @classmethod
    def of(cls, study: optuna.Study) -> "Confirmation | None":
        """The one stored with a study, or None."""
        known = study.user_attrs.get("confirmation")
        return known and cls([Confirmed(**one) for one in known["candidates"]], known["videos"])

    def write(self, study: optuna.Study) -> None:
        """Store it with the study."""
        study.set_user_attr("confirmation", asdict(self))

    @property
    def best(self) -> Confirmed | None:
        """The candidate with the highest mean; None if that is the current parameters or they are missing."""
        best = max(self.candidates, key=lambda one: one.mean, default=None)
        return None if best is None or self._current is None or best is self._current else best

    @property
    def better(self) -> Confirmed | None:
        """The best, if its gain exceeds ``FACTOR`` standard deviations."""
        best = self.best
        return best if best is not None and self._gain(best) > self._needed(best) else None

    def verdict(self) -> str:
        """A table of the candidates and the conclusion, with the numbers behind it."""
        lines = [f"{'':<12}{'AUC, mean':>10}{'std':>8}  over seeds"]
        for one in self.candidates:
            seeds = "  ".join(f"{auc:.2f}" for auc in one.aucs)
            lines.append(f"{one.name:<12}{one.mean:>10.2f}{one.deviation:>8.2f}  {seeds}")
        best = self.best
        if self._current is None:
            lines.append("the current parameters could not be trained")
        elif best is None:
            lines.append("no candidate is better than the current parameters")
        else:
            sums = (
                f"{best.name}: gain {self._gain(best):.1f}, needed {self._needed(best):.1f} "
                f"({FACTOR} x the standard deviation)"
            )
            if self.better:
                lines.append(f"{sums}: significant; make tune-apply writes it into params.yaml")
            else:
                few = f"; {self.videos} validation videos are few" if self.videos < FEW else ""
                lines.append(f"{sums}: not significant{few}")
        return "\n".join(lines)

    @property
    def _current(self) -> Confirmed | None:
        return next((one for one in self.candidates if one.name == CURRENT), None)

    def _gain(self, best: Confirmed) -> float:
        assert self._current is not None
        return best.mean - self._current.mean

    def _needed(self, best: Confirmed) -> float:
        assert self._current is not None
        return FACTOR * max(best.deviation, self._current.deviation)


def candidates(trials: Iterable[FrozenTrial], current: Mapping[str, Any], top: int) -> dict[str, dict[str, Any]]:
    """The parameters to train again, by name: the current ones, then the best distinct trials, best first."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    found = {CURRENT: dict(current)}
    for trial in sorted(complete, key=lambda trial: (-trial.values[0], trial.number)):
        if values_of(trial) not in found.values() and len(found) <= top:
            found[f"trial {trial.number}"] = values_of(trial)
    return found


def values_of(trial: FrozenTrial) -> dict[str, Any]:
    """The values of a trial, by dotted key: those it trained with and those of the inner search."""
    return {**trial.params, **trial.user_attrs["proposals"]}


def fresh_seeds(seed: int, count: int) -> range:
    """Seeds not used by the sweep."""
    return range(seed + 1, seed + 1 + count)


def name_of(candidate: str, seed: int) -> str:
    """The name of a candidate's training."""
    return f"{candidate}, seed {seed}"


def confirmed(
    found: Mapping[str, dict[str, Any]], seeds: Iterable[int], aucs: Mapping[str, float], videos: int
) -> Confirmation:
    """The result of the candidates with at least two successful trainings.

    Args:
        aucs: of the successful trainings, by name.
    """
    results = []
    for name, values in found.items():
        known = [aucs[name_of(name, seed)] for seed in seeds if name_of(name, seed) in aucs]
        if len(known) >= 2:
            results.append(Confirmed(name, values, known))
    return Confirmation(results, videos)


def apply(study: optuna.Study, number: int | None, path: Path) -> str:
    """Write the confirmed best, or a given trial, to the parameter file; returns the evidence and the diff.

    Raises:
        BmnError: nothing is confirmed yet, or the trial is not complete.
    """
    if number is not None:
        found = [trial for trial in study.get_trials(deepcopy=False) if trial.number == number]
        if not found or found[0].state != TrialState.COMPLETE:
            raise BmnError(
                f"TRIAL is {number}; not a complete trial of {study.study_name!r}: make tune-status lists them"
            )
        return edit(path, values_of(found[0])) or f"{path} is already up to date"
    known = Confirmation.of(study)
    if known is None:
        raise BmnError(
            f"{study.study_name!r} is not confirmed yet; let make tune finish, or choose a trial: "
            f"make tune-apply TRIAL=<number>"
        )
    best = known.better
    if best is None:
        return f"{known.verdict()}\n{path} is unchanged"
    return f"{known.verdict()}\n{edit(path, best.values) or f'{path} is already up to date'}"
