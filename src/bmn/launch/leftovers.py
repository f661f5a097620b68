"""``python -m bmn.launch.leftovers``: removes files that a killed ``dvc`` left cut short; ``make`` runs it before DVC.

DVC writes its lock files in place and refuses to read one that is cut short. It makes them anew: those of running
stages are empty by then, and for ``dvc.lock`` its cache knows the results.
"""

import time
from collections.abc import Callable
from pathlib import Path

from bmn.base.errors import BmnError
from bmn.base.files import read_json, read_yaml
from bmn.launch.command import command

WRITING = 1.0  # seconds after which a file that is only being written is whole


@command
def main() -> None:
    """Remove what is cut short, and say so."""
    for path, whole in ((Path(".dvc/tmp/rwlock"), _is_json), (Path("dvc.lock"), _is_lock)):
        if _is_cut_short(path, whole):
            path.unlink(missing_ok=True)  # another make may have removed it
            print(f"{path}: cut short when dvc was killed; removed, dvc makes it anew")


def _is_cut_short(path: Path, whole: Callable[[Path], bool]) -> bool:
    if not path.exists() or whole(path):
        return False
    time.sleep(WRITING)
    return not whole(path)


def _is_json(path: Path) -> bool:
    try:
        read_json(path)
    except BmnError:
        return False
    return True


def _is_lock(path: Path) -> bool:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # here, because most commands do without DVC
    from voluptuous import Invalid

    text = path.read_text(encoding="utf-8", errors="replace")
    if "\n<<<<<<< " in text:
        return True  # a merge that a person resolves
    if not text.endswith("\n"):
        return False  # half a checksum may pass for a whole one
    try:
        COMPILED_LOCKFILE_SCHEMA(read_yaml(path))
    except (BmnError, Invalid):
        return False
    return True


if __name__ == "__main__":
    main()
