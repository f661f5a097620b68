"""``python -m bmn.cli.pretrained``: PaddleVideo's weights, to evaluate, export and predict with, without a training."""

import argparse
import shutil
from pathlib import Path

from bmn.acquire.download import fetch
from bmn.base.files import whole_file
from bmn.base.params import ModelParams
from bmn.launch.command import command

PUBLISHED = "https://videotag.bj.bcebos.com/PaddleVideo/BMN/BMN.pdparams"


@command
def main() -> None:
    """Fetch weights, or take a local file, and check that they are a BMN's of the published sizes."""
    parser = argparse.ArgumentParser(prog="bmn.cli.pretrained", description=main.__doc__)
    parser.add_argument("source", nargs="?", default=PUBLISHED, help="URL or file")
    parser.add_argument("--output", type=Path, default=Path("outputs/pretrained/BMN.pdparams"))
    given = parser.parse_args()
    source = Path(given.source)
    if given.source.startswith(("http://", "https://")):
        source = given.output.with_suffix(".fetched")
        fetch(given.source, source)

    from bmn.model.weights import load_network  # Paddle, when there is something to check

    load_network(ModelParams(), source)
    with whole_file(given.output) as temporary:
        shutil.copyfile(source, temporary)
    if given.source.startswith(("http://", "https://")):
        source.unlink()
    print(f"{given.output}: weights of a BMN of the published sizes; WEIGHTS={given.output} names them to make")


if __name__ == "__main__":
    main()
