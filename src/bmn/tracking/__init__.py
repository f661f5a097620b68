"""Everything that talks to MLflow.

More than ten modules, since three neighbours share this room, the only one that knows MLflow:

- the store and its runs: where they are (``store``, ``moved``), how trainings, sweeps and evaluations are written
  (``runs``, ``journal``, ``outbox``, ``delivery``, ``filing``, ``evaluations``, ``logged_models``, ``trials``), and
  what can be deleted (``garbage``);
- what is read from it and decided: ``compare``, ``models``, ``champions``, ``ui``;
- the served model: ``served``, ``serving``, ``gate``, ``connections``, ``watching``, ``metered``.
"""

from bmn.tracking.filing import log_data_report, log_evaluation, log_export
from bmn.tracking.runs import mark_failed, origin, training_run
from bmn.tracking.store import connect, project_root, store_uri

__all__ = [
    "connect",
    "log_data_report",
    "log_evaluation",
    "log_export",
    "mark_failed",
    "origin",
    "project_root",
    "store_uri",
    "training_run",
]
