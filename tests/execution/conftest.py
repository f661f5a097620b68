"""Engines of both kinds; Ray's is a cluster of two nodes on this machine."""

import os

import pytest

from bmn.base.params import ExecutionParams
from bmn.execution.engines import open_engine


@pytest.fixture(scope="session")
def paths():
    """What jobs are imported from."""
    tests = os.path.dirname(os.path.dirname(__file__))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([os.path.join(os.path.dirname(tests), "src"), tests]))
        yield


@pytest.fixture(params=["processes", "ray"])
def engine(request, paths):
    """Room for two jobs."""
    address = None
    if request.param == "ray":
        address = request.getfixturevalue("ray_cluster").address
    with open_engine(ExecutionParams(engine=request.param, address=address, jobs=2), "cpu") as opened:
        yield opened
