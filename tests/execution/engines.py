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


@pytest.fixture(scope="session")
def head(paths):
    """A cluster of one node with one core."""
    utils = pytest.importorskip("ray.cluster_utils", reason="needs Ray: pip install -r requirements-ray.txt")
    made = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.other = None
    yield made
    made.shutdown()


@pytest.fixture
def cluster(head):
    """Two nodes with one core each; the second can be lost."""
    if head.other is None:
        head.other = head.add_node(num_cpus=1)
    return head


def lose(cluster):
    """Remove the second node without warning."""
    cluster.remove_node(cluster.other, allow_graceful=False)
    cluster.other = None


@pytest.fixture(params=["processes", "ray"])
def engine(request, paths):
    """Room for two jobs."""
    address = None
    if request.param == "ray":
        address = request.getfixturevalue("cluster").address
    with open_engine(ExecutionParams(engine=request.param, address=address, jobs=2), "cpu") as opened:
        yield opened
