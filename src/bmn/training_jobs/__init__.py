"""Trainings as jobs: resumed, never repeated, logged to MLflow as the children of one run.

:mod:`trainings` is the driver's side (of a sweep, of ``bmn seeds``); :mod:`job` runs in a job's process, which imports
neither MLflow nor Optuna. :mod:`garbage` finds what trainings have left and nobody needs.
"""

from pathlib import Path

SWEEPS = Path(".cache/tune")  # studies and their locks; under trainings/ what their trials leave
