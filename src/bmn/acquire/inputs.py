"""The identity of the data named in params.yaml: its content if it is local, else its URL."""

from pathlib import Path

from bmn.acquire.features import find_features, find_videos
from bmn.base.checksums import Checksums
from bmn.base.errors import BmnError
from bmn.base.schema import Params


def identify_inputs(params: Params, root: Path, known: Checksums) -> dict[str, str | None]:
    """The identity of each input named in the parameters: a checksum, the URL itself, or None.

    A folder is identified by the names and contents of its files, not by its path or timestamps.

    Args:
        root: the folder that relative paths start from.
        known: the cache of checksums.

    Raises:
        BmnError: a file is missing or cannot be read; a folder holds no features or no annotations.
    """
    data = params.data
    named = {
        "features": ("data.features", data.features),
        "annotations": ("data.annotations", data.annotations),
        "subsets": ("data.subsets", data.subsets),
        "ground_truth": ("data.ground_truth", data.ground_truth),
        "init_from": ("train.init_from", params.train.init_from),
        "classifier": ("evaluate.classifier", params.evaluate.classifier),
    }
    found = {name: _checksum(key, source, root, known) for name, (key, source) in named.items()}
    return found | {"backbone": _backbone(params, root, known)}


def is_url(source: str) -> bool:
    """Whether a source is a URL rather than a path."""
    return source.startswith(("http://", "https://"))


def local_path(key: str, source: str, root: Path) -> Path:
    """The path that a parameter names.

    Raises:
        BmnError: it does not exist.
    """
    path = root / source
    if not path.exists():
        raise BmnError(f"params.yaml: {key} is {source!r}; no such file or folder, correct the path")
    return path


def _backbone(params: Params, root: Path, known: Checksums) -> str | None:
    """The checksum of ``extract.backbone``, with the weights beside it, where it is a file that is used."""
    features = params.data.features
    if features is None or not (root / features).is_dir() or not find_videos(root / features):
        return None
    source = params.extract.backbone
    if "." not in source:
        return None
    program = local_path("extract.backbone", source, root)
    files = [path for path in (program, program.with_suffix(".pdiparams")) if path.exists()]
    return known.of_folder(program.parent, files)


def _checksum(key: str, source: str | None, root: Path, known: Checksums) -> str | None:
    if source is None or is_url(source):
        return source
    path = local_path(key, source, root)
    if path.is_file():
        return known.of_file(path)
    if key == "data.features":
        return known.of_folder(path, (find_videos(path) or find_features(path)).values())
    files = [file for file in path.rglob("*") if file.suffix in (".json", ".csv", ".txt")]
    if not files:
        raise BmnError(f"params.yaml: {key} is {source!r}; the folder holds no .json, .csv or .txt file, name another")
    return known.of_folder(path, files)
