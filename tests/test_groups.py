"""The tests of a group share fixtures that take minutes: pytest-xdist sends them to one process."""

import pytest

pytestmark = pytest.mark.xdist_group("together")


def test_a_group_is_known_to_the_scheduler(request):
    if not hasattr(request.config, "workerinput"):
        pytest.skip("not run in parallel: make test does")
    assert request.node.nodeid.endswith("@together")
