"""Ours beside the published form: ``make bench``, or ``python -m benchmarks`` from the project's folder.

Nothing is imported here: one of the processes that :mod:`benchmarks.child` runs must meet Paddle before ``bmn``.
"""
