"""``bmn pretrained``: fetch PaddleVideo's weights, to evaluate, export and predict without training."""

import shutil
from pathlib import Path

import click

PUBLISHED = "https://videotag.bj.bcebos.com/PaddleVideo/BMN/BMN.pdparams"


@click.command()
@click.argument("source", default=PUBLISHED, metavar="[SOURCE]")
@click.option("--output", type=Path, default="outputs/pretrained/BMN.pdparams", help="File to write.")
def main(source: str, output: Path) -> None:
    """Fetch PaddleVideo's weights, which need no training.

    SOURCE is another URL or file. The weights must be those of a BMN of the published sizes; evaluate, export and
    predict accept them.
    """
    from bmn.acquire.download import fetch
    from bmn.base.files import atomic_file
    from bmn.base.schema import ModelParams

    remote = source.startswith(("http://", "https://"))
    given = output.with_suffix(".fetched") if remote else Path(source)
    if remote:
        fetch(source, given)

    from bmn.model.weights import load_network  # imports Paddle, so only once there is something to check

    load_network(ModelParams(), given)
    with atomic_file(output) as temporary:
        shutil.copyfile(given, temporary)
    if remote:
        given.unlink()
    print(f"{output}: weights of a BMN of the published sizes; use them with make evaluate WEIGHTS={output}")
