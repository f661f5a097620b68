"""What a change does to the results, as Markdown: for a person, or a comment on a pull request."""

import json
import subprocess
from io import StringIO

import pandas as pd

from bmn.base.errors import BmnError

CURVE = "outputs/evaluate/ar_an.csv"


def changes(revision: str) -> str:
    """What differs between a revision and the files here: metrics, parameters, and the AR-AN curves of both.

    Args:
        revision: a commit, branch or tag whose results are in DVC's cache.

    Raises:
        BmnError: there is no such revision, or nothing has been evaluated here.
    """
    return "\n\n".join(
        [
            f"# Changes since {revision}",
            "## Metrics",
            _table("metrics", revision) or "No metric differs.",
            "## Parameters",
            _table("params", revision) or "No parameter differs.",
            "## Average recall",
            *_curves(revision),
        ]
    )


def _table(kind: str, revision: str) -> str:
    """What differs, as a table; empty if nothing does, where DVC prints its heading alone."""
    table = _dvc(kind, "diff", "--md", revision)
    return table if len(table.splitlines()) > 2 else ""


def _dvc(*words: str) -> str:
    """What a command of DVC prints.

    Raises:
        BmnError: it fails.
    """
    done = subprocess.run(["dvc", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        reasons = done.stderr.strip().splitlines() or ["no reason given"]
        raise BmnError(f"dvc {' '.join(words)}: {reasons[0].removeprefix('ERROR: ')}")
    return done.stdout.strip()


def _curves(revision: str) -> list[str]:
    """A chart in Mermaid, which GitHub and GitLab draw, and what its lines are."""
    from dvc.api import read
    from dvc.exceptions import DvcException

    try:
        here = pd.read_csv(CURVE)
    except OSError as error:
        raise BmnError(f"{CURVE}: {error.strerror}; run make repro") from error
    lines = {"here": here}
    try:
        lines = {revision: pd.read_csv(StringIO(read(CURVE, rev=revision))), **lines}
        legend = f"The first line is {revision}, the second is here."
    except (DvcException, ImportError, OSError):  # a remote whose package is missing
        legend = f"The results of {revision} are not in DVC's cache; dvc pull, or make repro there, adds its line."
    chart = ["xychart-beta", '    title "AR over the average number of proposals, in %"']
    chart += [f'    x-axis "AN" {here["AN"].min()} --> {here["AN"].max()}', '    y-axis "AR" 0 --> 100']
    chart += [f"    line {json.dumps(curve['AR'].round(1).tolist())}" for curve in lines.values()]
    return ["```mermaid\n" + "\n".join(chart) + "\n```", legend]
