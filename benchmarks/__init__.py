"""Our implementation against the published one: ``make bench``, or ``python -m benchmarks`` in the project's folder.

Every kind of measurement has its own module, and so have the published form and the table, which makes many.
Nothing is imported here: one of the processes of :mod:`benchmarks.child` must import Paddle before ``bmn``.
"""
