"""``bmn export``: any weights as an inference model; the pipeline exports its own in its last stage."""

from pathlib import Path

import click


@click.command()
@click.argument("weights", type=Path)
@click.option("--output", type=Path, default="outputs/exported", help="Folder of the programs.")
@click.option("--params", type=Path, default="params.yaml", help="Sizes of the model, and what is exported.")
def main(weights: Path, output: Path, params: Path) -> None:
    """Export weights as an inference model.

    WEIGHTS is a .pdparams file, ours or PaddleVideo's. The programs are compared with the network on
    random features before they are let out.
    """
    from bmn.base.params import load_params
    from bmn.export.export import export, random_features, describe

    chosen = load_params(params)
    features = random_features(chosen.model, chosen.export.check_videos)
    print(describe(output, export(chosen.model, weights, output, features, chosen.export, {})))
