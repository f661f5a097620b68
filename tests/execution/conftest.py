"""Engines of both kinds; Ray's is a cluster of two nodes on this machine."""

from pathlib import Path

import pytest

from bmn.base.schema import ExecutionParams
from bmn.execution.engines import open_engine


@pytest.fixture(scope="session")
def paths():
    """What jobs are imported from."""
    tests = Path(__file__).parents[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{tests.parent / 'src'}:{tests}")
        yield


@pytest.fixture(params=["processes", "ray"])
def engine(request, paths):
    """Room for two jobs."""
    address = None
    if request.param == "ray":
        address = request.getfixturevalue("ray_cluster").address
    with open_engine(ExecutionParams(engine=request.param, address=address, jobs=2, devices="cpu")) as opened:
        yield opened
