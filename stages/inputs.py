"""Before the stages: checksums of the files outside the project that params.yaml names, where DVC cannot look."""

from layout import CHECKSUMS, INPUTS, PROJECT

from bmn.acquire.inputs import checksums_of_inputs
from bmn.base.checksums import Checksums
from bmn.base.command import command
from bmn.base.files import write_json
from bmn.base.params import load_params


@command
def main() -> None:
    """Write the checksums that the stages depend on."""
    with Checksums(PROJECT / CHECKSUMS) as known:
        write_json(INPUTS, checksums_of_inputs(load_params(), PROJECT, known))


if __name__ == "__main__":
    main()
