"""Stage 3: train the network. This process starts and supervises those that do the work (:mod:`train_process`)."""

from pathlib import Path

from layout import LOGS

from bmn.base.params import load_params
from bmn.launch.command import command
from bmn.launch.launcher import supervise


@command
def main() -> None:
    """Train, in as many processes as ``execution.devices`` requests."""
    params = load_params()
    try:
        supervise(Path(__file__).with_name("train_process.py"), params.execution.devices, LOGS)
    except BaseException:
        from bmn import tracking  # imported here because it takes seconds

        tracking.mark_failed(LOGS / "run.json")
        raise


if __name__ == "__main__":
    main()
