"""Sweeps: the one place that knows Optuna.

``make tune`` is a sweep (:mod:`sweep`): it plans trials (:mod:`plan`) in a study (:mod:`study`) and keeps workers
running (:mod:`worker`). A worker takes one trial after the other, draws its parameters from the space (:mod:`space`)
and has each trained by a process of its own (:mod:`trial`), which also searches the proposal parameters
(:mod:`proposal_search`). At the end the best are confirmed (:mod:`confirmation`). Everything is filed in MLflow
(:mod:`ledger`), with figures and a page (:mod:`drawing`).
"""
