"""Our implementation against the published one: ``make bench``, or ``python -m benchmarks`` in the project's folder.

Nothing is imported here: one of the processes of :mod:`benchmarks.child` must import Paddle before ``bmn``.
"""
