"""A project that was copied or moved: the places of files in its MLflow database follow it.

MLflow keeps them as absolute paths. A copy would otherwise write into the original, and lose its files with it.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

PLACES = {  # columns that hold the place of a file or a folder, by table
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
SOURCES = "dataset_source"  # of datasets: JSON that names a place


def follow_project(database: Path, root: Path) -> None:
    """Let every place in a database that lies in another project's folder lie in this one, in one transaction.

    What the database was made for is told by its experiments: this project keeps each in ``mlruns/``.

    Args:
        database: MLflow's, with SQLite.
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
            print(
                f"{database}: was made in {before}; {moved} places of files in it lead to {root} now", file=sys.stderr
            )
        store.execute("COMMIT")


def _replace(store: sqlite3.Connection, there: str, here: str) -> int:
    """Begin places with ``here`` that begin with ``there``; gives how many."""
    moved = 0
    names = {"there": there, "here": here}
    for table, columns in PLACES.items():
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
