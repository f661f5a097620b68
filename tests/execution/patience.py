"""Ray gives a node half a minute to start, and no setting more; a machine whose cores others take needs longer."""

import time

from ray._private import services
from shell import PATIENCE


def be_patient(setattr=setattr) -> None:
    """Let nodes that this process starts take as long as they need."""
    get_node = services.get_node

    def get_node_late(*given):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return get_node(*given)
            except RuntimeError:  # it is not there yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    setattr(services, "get_node", get_node_late)
