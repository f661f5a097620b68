"""The process of a job: ``python -m bmn.execution.child``.

It reads two lines: the entry, whose module is imported at once, and then the arguments, as JSON. It writes its events,
a line of JSON each. What the job prints goes to its log with what it writes to the standard error.
"""

import json
import os
import platform
import sys
from importlib import import_module
from typing import Any

from bmn.base.errors import BmnError, Stopped
from bmn.base.runtime import tune_process


def main() -> None:
    """Run one job."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(kind: str, content: Any) -> None:
        events.write(json.dumps({"kind": kind, "content": content}) + "\n")
        events.flush()

    tune_process()
    module, _, function = sys.stdin.readline().strip().partition(":")
    entry = getattr(import_module(module), function)
    arguments = sys.stdin.readline()
    if not arguments:
        return  # it was started in reserve, and there is nothing left to do
    write("started", f"{platform.node()}, process {os.getpid()}")
    try:
        write("result", entry(json.loads(arguments), lambda content: write("told", content)))
    except Stopped as error:
        sys.exit(str(error))  # by whom is not known here: to the engine it died
    except BmnError as error:
        write("error", {"type": type(error).__name__, "text": str(error)})


if __name__ == "__main__":
    main()
