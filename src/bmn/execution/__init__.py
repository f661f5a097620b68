"""Where jobs run: processes of this machine, or a Ray cluster; it knows nothing of what they do.

A job (:mod:`jobs`) is a function's name and JSON; :func:`jobs.run` keeps an engine busy with them and tries once more
what died; :func:`lists.run_list` does a long list of work in chunks. Both engines (:mod:`engines`), :mod:`processes`
and :mod:`ray`, run a job in the same process (:mod:`child`).
"""
