"""What a sweep looks like: its trials, which parameters matter and how; as pictures and as a page."""

import warnings
from collections import Counter
from typing import Any

import optuna
import optuna.visualization
import optuna.visualization.matplotlib
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from optuna.trial import TrialState
from plotly.offline import get_plotlyjs

from bmn.report.figures import fill
from bmn.tuning.confirmation import Confirmation
from bmn.tuning.study import latest_auc, short

TITLES = {
    "optimization_history": "Trial after trial",
    "intermediate_values": "Over the epochs of a trial",
    "parallel_coordinate": "Parameters together",
    "slice": "Parameters one by one",
    "param_importances": "How much a parameter matters",
    "pareto_front": "AUC and milliseconds a video",
}
COMPARING = ("parallel_coordinate", "slice", "param_importances")
ENOUGH = 4  # complete trials for figures that compare them


def pictures(study: optuna.Study) -> dict[str, Figure]:
    """The figures of a study that has a complete trial, by name."""
    study = _readable(study)
    return {name: _picture(study, name) for name in _names(study)}


def page(study: optuna.Study) -> str:
    """What was confirmed, the trials, best first, and the same figures, to be turned and read off; needs no network."""
    confirmation = Confirmation.of(study)
    study = _readable(study)
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    counts = Counter(trial.state.name.lower() for trial in trials)
    best_first = sorted(trials, key=lambda trial: (trial.state != TrialState.COMPLETE, -(latest_auc(trial) or 0)))
    names = list(dict.fromkeys(key for trial in trials for key in trial.params))
    return fill(
        "sweep.html",
        title=f"Sweep {study.study_name}",
        plotly=get_plotlyjs(),
        verdict=confirmation.verdict() if confirmation else None,
        counts=", ".join(f"{number} {state}" for state, number in counts.items()),
        names=names,
        trials=[
            {
                "number": trial.number,
                "state": trial.state.name.lower(),
                "auc": "–" if (auc := latest_auc(trial)) is None else f"{auc:.2f}",
                "params": {key: short(value) for key, value in trial.params.items()},
            }
            for trial in best_first
        ],
        figures=[(TITLES[name], _width(name, len(names)), _turnable(study, name)) for name in _names(study)],
    )


def _readable(study: optuna.Study) -> optuna.Study:
    """A copy in which parameters are called by the last part of their keys, where that tells them apart."""
    trials = study.get_trials()
    keys = {key for trial in trials for key in trial.params}
    last = Counter(key.rpartition(".")[2] for key in keys)
    names = {key: name if last[name := key.rpartition(".")[2]] == 1 else key for key in keys}
    for trial in trials:
        trial.params, trial.distributions = (
            {names[key]: value for key, value in found.items()} for found in (trial.params, trial.distributions)
        )
    copy = optuna.create_study(study_name=study.study_name, directions=study.directions)
    copy.add_trials(trials)
    return copy


def _names(study: optuna.Study) -> list[str]:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    two = len(study.directions) == 2
    left_out = set() if two else {"pareto_front"}
    if not any(trial.intermediate_values for trial in study.get_trials(deepcopy=False)):
        left_out.add("intermediate_values")
    if not complete:
        left_out.add("optimization_history")
    if len(complete) < ENOUGH:
        left_out |= set(COMPARING)
    return [name for name in TITLES if name not in left_out]


def _picture(study: optuna.Study, name: str) -> Figure:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", "Attempting to set identical")  # a parameter that no trial varied
        axes = getattr(optuna.visualization.matplotlib, f"plot_{name}")(study, **_words(study, name))
    figure: Figure = (axes.flat[0] if hasattr(axes, "flat") else axes).figure
    pyplot.close(figure)  # else pyplot keeps it forever; it can still be drawn and saved
    figure.suptitle(TITLES[name])
    for one in figure.axes:
        one.set_title("")
        one.set_title("", loc="left")
        for axis in (one.xaxis, one.yaxis):
            axis.set_minor_formatter(NullFormatter())
    if name == "intermediate_values":
        figure.axes[0].set(xlabel="epoch", ylabel="AUC")
        figure.axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.axes[0].legend().remove()  # a line a trial
    figure.set_size_inches(_width(name, len(figure.axes)) / 4, 4.5)
    return figure


def _turnable(study: optuna.Study, name: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        figure = getattr(optuna.visualization, f"plot_{name}")(study, **_words(study, name))
    figure.update_layout(title=None, template="plotly_white", width=None, margin={"t": 40, "r": 40, "b": 60})
    if name == "intermediate_values":
        last = max(trial.last_step or 1 for trial in study.get_trials(deepcopy=False))
        figure.update_layout(xaxis={"title": "epoch", "dtick": max(1, last // 10)}, yaxis_title="AUC")
    config = {"responsive": True, "displaylogo": False}
    return str(figure.to_html(full_html=False, include_plotlyjs=False, default_height="24rem", config=config))


def _width(name: str, parts: int) -> float:
    """Of a figure, in rem: below it, its labels would cover each other."""
    return max(40, 9 * parts) if name in ("slice", "parallel_coordinate") else 40


def _words(study: optuna.Study, name: str) -> dict[str, Any]:
    if name == "intermediate_values":
        return {}
    if name == "pareto_front":
        return {"target_names": ["AUC", "milliseconds a video"]}
    if len(study.directions) == 1:
        return {"target_name": "AUC"}
    # With a target of its own, the importance is that for low values of it.
    sign = -1.0 if name == "param_importances" else 1.0
    return {"target": lambda trial: sign * trial.values[0], "target_name": "AUC"}
