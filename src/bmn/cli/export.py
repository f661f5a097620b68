"""``bmn export``: export any weights as an inference model; the pipeline's last stage exports its own."""

from pathlib import Path

import click


@click.command()
@click.argument("weights", type=Path)
@click.option("--output", type=Path, default="outputs/exported", help="Folder for the programs.")
@click.option("--params", type=Path, default="params.yaml", help="Model sizes and export settings.")
def main(weights: Path, output: Path, params: Path) -> None:
    """Export weights as an inference model.

    WEIGHTS is a .pdparams file, ours or PaddleVideo's. The programs are kept only if they match the network on random
    features.
    """
    from bmn.base.params import load_params
    from bmn.export.export import describe, export, random_features

    chosen = load_params(params)
    features = random_features(chosen.model, chosen.export.check_videos)
    print(describe(output, export(chosen.model, weights, output, features, chosen.export, {})))
