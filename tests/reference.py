"""Golden values of the published implementation, on machines that have them."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "reference"


def reference(name: str) -> Path:
    """The path of a golden file; skips the test if the folder of golden values is missing."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no golden values here: {name} stands in ../shared/reference, outside the project")
    return path
