"""Sweeps: the one place that knows Optuna.

``make tune`` is one process, the driver (:mod:`driver`): it asks the study (:mod:`study`) for trials, draws their
parameters from the space (:mod:`space`), has jobs train them (:mod:`trainings`, each a :mod:`job` that
:mod:`bmn.execution` runs), prunes, tells the study what came of them, and alone writes study, MLflow and figures
(:mod:`figures`). A job also searches the proposal parameters (:mod:`proposal_search`). At the end the best are confirmed
(:mod:`confirmation`).
"""
