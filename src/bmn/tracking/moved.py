"""Update the paths in the MLflow database of a project that was copied or moved.

MLflow stores absolute paths. Otherwise a copy would write into the original, and lose its files with it.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

PATHS = {  # columns that hold the URI or path of a file or folder, by table
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
SOURCES = "dataset_source"  # of datasets: JSON that contains a URI


def follow_project(database: Path, root: Path) -> None:
    """Rewrite every path below the database's original project folder to this one, in one transaction.

    The experiments reveal the original folder: a project keeps them in ``mlruns/``.

    Args:
        database: MLflow's SQLite file.
        root: this project's folder.
    """
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as store:
        if not store.execute("SELECT name FROM sqlite_master WHERE name = 'experiments'").fetchone():
            return
        locations = [row[0] for row in store.execute("SELECT artifact_location FROM experiments")]
        here = root.as_uri()
        ours = [location for location in locations if location.startswith("file://") and "/mlruns/" in location]
        earlier = {location.rpartition("/mlruns/")[0] for location in ours} - {here}
        if not earlier:
            return
        store.execute("BEGIN IMMEDIATE")
        for there in sorted(earlier):
            before = url2pathname(urlparse(there).path)
            moved = _replace(store, there, here) + _replace(store, before, str(root))
            print(f"{database}: was created in {before}; updated {moved} paths in it to {root}", file=sys.stderr)
        store.execute("COMMIT")


def _replace(store: sqlite3.Connection, there: str, here: str) -> int:
    """Replace the prefix ``there`` by ``here``; returns the number of paths."""
    moved = 0
    names = {"there": there, "here": here}
    for table, columns in PATHS.items():
        for column in columns:
            moved += store.execute(
                f"UPDATE {table} SET {column} = :here || substr({column}, length(:there) + 1) "
                f"WHERE substr({column}, 1, length(:there) + 1) = :there || '/'",
                names,
            ).rowcount
    return (
        moved
        + store.execute(
            f"UPDATE datasets SET {SOURCES} = replace({SOURCES}, '\"' || :there || '/', '\"' || :here || '/') "
            f"WHERE instr({SOURCES}, '\"' || :there || '/') > 0",
            names,
        ).rowcount
    )
