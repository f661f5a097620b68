"""Before the stages: checksums of the user's own files, which DVC cannot track outside the project."""

from layout import CHECKSUMS, INPUTS, PROJECT

from bmn.acquire.inputs import identify_inputs
from bmn.base.checksums import Checksums
from bmn.base.files import write_json
from bmn.base.params import load_params
from bmn.launch.command import command


@command
def main() -> None:
    """Write the checksums that the stages depend on."""
    with Checksums(PROJECT / CHECKSUMS) as known:
        write_json(INPUTS, identify_inputs(load_params(), PROJECT, known))


if __name__ == "__main__":
    main()
