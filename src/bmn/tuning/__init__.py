"""Sweeps: the one place that knows Optuna.

``make tune`` is one process, the driver (:mod:`driver`). It asks the study (:mod:`study`) for trials with parameters
from the space (:mod:`space`), trains each in a job (:mod:`bmn.training_jobs`), prunes, and tells the study the results.
It alone writes the study, MLflow and the figures (:mod:`figures`). A job (:mod:`job`) also searches the proposal
parameters (:mod:`proposal_search`). Finally the best trials are confirmed (:mod:`confirmation`).
Apart from sweeps, :mod:`proposal_fit` searches for weights that are there.
"""
