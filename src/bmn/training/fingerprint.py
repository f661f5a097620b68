"""What a training is made of, in one short name: a checkpoint is resumed by the training with the same name only."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGE = Path(__file__).parents[1]
CODE = (
    "data",
    "loss",
    "model",
    "proposals",
    "metrics/recall.py",
    "training",
)  # what can change the course of a training


def fingerprint(
    choices: dict[str, Any], data: list[str], initial: Mapping[str, NDArray[np.float32]] | None = None
) -> str:
    """A name that differs when the parameters, the data or the code of a training differ.

    Args:
        choices: the parameters that shape the training.
        data: checksums of what it reads.
        initial: the weights that it starts from, where these come from a file.
    """
    digest = hashlib.sha256(json.dumps([choices, data], sort_keys=True).encode())
    for name, array in sorted((initial or {}).items()):
        digest.update(name.encode() + array.tobytes())
    for part in CODE:
        path = PACKAGE / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
