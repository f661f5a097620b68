"""What shapes a result: the code that computes it (followed through its imports), its parameters and its data.

This names checkpoints and a sweep's cached trainings and evaluations, and a test holds ``dvc.yaml`` to exactly it.
The same name means the same bytes; different code, parameters or data give a different name.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent

# Code that only reports or schedules work changes no result: it is part of no name, and its imports are not followed.
NEUTRAL_CODE = {
    "bmn/__init__.py": "offers the public functions; code imports the modules that define them",
    "bmn/execution": "runs jobs in processes, here or elsewhere",
    "bmn/launch": "starts, watches and stops the processes that do the work",
    "bmn/report/progress.py": "shows the progress of a training",
    "bmn/tracking": "logs to MLflow",
    "stages/layout.py": "paths of the stages' outputs, the same as in dvc.yaml",
}
NEUTRAL_PARAMETERS = {
    **dict.fromkeys(
        (
            "data.features",
            "data.annotations",
            "data.subsets",
            "data.ground_truth",
            "train.init_from",
            "evaluate.classifier",
        ),
        "where the data is; data/inputs.json identifies its content",
    ),
    "download": "how long to wait for servers",
    "tracking": "what is logged to MLflow, and where",
    "tune": "sweeps run outside the stages",
    "execution": "where work runs, and how much of it a kill loses; the number of processes changes no bit",
}


def code(entry: Path) -> dict[str, Path]:
    """The files that shape what a module computes: its own and those of all modules that it imports, recursively.

    Imports inside functions count, and so do modules named in strings (``python -m bmn.export.program``) and page
    templates. ``bmn/base`` counts as a whole, since everything depends on it.

    Args:
        entry: the module that does the work, not the one that starts it.

    Returns:
        Paths by name, sorted: ``bmn/…`` for a file of the package, ``stages/…`` for one beside the entry.
    """
    found: dict[str, Path] = {}
    todo = [entry.resolve(), *(PACKAGE / "base").glob("*.py")]
    while todo:
        path = todo.pop()
        name = _name(path)
        if name in found or _is_neutral(name):
            continue
        found[name] = path
        todo += _named_by(path)
    return dict(sorted(found.items()))


def identity(entry: Path, choices: Any, data: Iterable[str]) -> str:
    """The name of a result: 16 hexadecimal digits that change with its code, parameters or data.

    Args:
        entry: the module that computes it.
        choices: the parameters that shape it, JSON-serializable.
        data: checksums of everything it reads.
    """
    sources = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in code(entry).items()}
    text = json.dumps([sources, choices, list(data)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_neutral(name: str) -> bool:
    return any(name == neutral or name.startswith(f"{neutral}/") for neutral in NEUTRAL_CODE)


def _name(path: Path) -> str:
    if path.is_relative_to(PACKAGE):
        return f"bmn/{path.relative_to(PACKAGE).as_posix()}"
    return f"{path.parent.name}/{path.name}"


def _named_by(path: Path) -> Iterator[Path]:
    """The project's files that a module or template refers to."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        yield from (path.with_name(name) for name in re.findall(r'(?:extends|include) "(\w+\.html)"', text))
        return
    for name in _names_in(text):
        if name.endswith(".html"):
            if path.with_name(name).is_file():
                yield path.with_name(name)
        else:
            yield from _files(name, path.parent)


@cache
def _names_in(code: str) -> tuple[str, ...]:
    """The modules and templates that code imports or names."""
    found: list[str] = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=names):
                found += [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), names=names):
                found += [module, *(f"{module}.{alias.name}" for alias in names)]
            case ast.Constant(value=str(word)) if re.fullmatch(r"bmn(\.\w+)+|\w+\.html", word):
                found.append(word)
    return tuple(found)


def _files(module: str, beside: Path) -> Iterator[Path]:
    """The file of a module and the ``__init__.py`` of its parent packages, which importing it runs."""
    first, *rest = module.split(".")
    base = PACKAGE if first == "bmn" else beside / first
    if first != "bmn" and (beside == PACKAGE or beside.is_relative_to(PACKAGE)):
        return
    found = []
    for part in ["", *rest]:
        base = base / part
        found += [path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()]
    if not found or not _is_neutral(_name(found[-1])):  # the parents of a neutral module are neutral, too
        yield from found
