"""``bmn use``: switch params.yaml to a data set."""

from pathlib import Path

import click


@click.command()
@click.argument("preset")
@click.option("--features", default="", help="local: folder of .npy, .npz or .csv files, one per video.")
@click.option("--videos", default="", help="local: folder of videos, instead of features.")
@click.option("--annotations", default="", help="local: file, or folder with one file per subset.")
@click.option("--subsets", help="local: CSV with the columns video and subset.")
@click.option("--reset", is_flag=True, help="Write the whole recipe even if these data are already in use.")
def main(preset: str, features: str, videos: str, annotations: str, subsets: str | None, reset: bool) -> None:
    """Switch params.yaml to a data set: a preset or your own.

    PRESET is embedded, gestures, clips, activitynet, bmn_lite, or local: your own data, with --annotations and either
    --features or --videos. Keeps comments and prints the diff.
    """
    from bmn.base.params import load_params
    from bmn.recipes.edits import edit
    from bmn.recipes.own import own_values
    from bmn.recipes.presets import use_preset

    if preset != "local" and (features or videos or annotations or subsets):
        raise click.UsageError(
            f"--features, --videos, --annotations and --subsets belong to the preset local, not {preset}"
        )
    if preset == "local" and not (bool(features) != bool(videos) and annotations):
        raise click.UsageError("the preset local needs --annotations, and either --features or --videos")
    path = Path("params.yaml")
    if preset == "local":
        difference = edit(path, own_values(load_params(path), features or videos, annotations, subsets, reset))
    else:
        difference = use_preset(preset, path, reset)
    print(difference or f"{path} is already up to date")
