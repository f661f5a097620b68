"""Folders of the project that keep trainings, so that none is repeated."""

from pathlib import Path

SEEDS = Path(".cache/seeds")
SWEEPS = Path(".cache/tune")  # with their studies
