"""``bmn use``: switch params.yaml to a data set."""

from pathlib import Path

import click


@click.command()
@click.argument("preset")
@click.option("--features", default="", help="Folder of .npy, .npz or .csv files, one per video.")
@click.option("--videos", default="", help="local: folder of videos, instead of features.")
@click.option("--annotations", default="", help="File, or folder with one file per subset.")
@click.option("--subsets", help="CSV with the columns video and subset.")
@click.option("--classifier", help="Class scores of the videos by someone else's classifier.")
@click.option("--reset", is_flag=True, help="Write the whole recipe even if these data are already in use.")
def main(
    preset: str,
    features: str,
    videos: str,
    annotations: str,
    subsets: str | None,
    classifier: str | None,
    reset: bool,
) -> None:
    """Switch params.yaml to a data set: a preset or your own.

    PRESET is embedded, gestures, clips, bmn_lite; or a published recipe, whose --features, --annotations, --subsets and
    --classifier may be elsewhere: activitynet, activitynet_tsp, thumos14_tsn, thumos14_i3d, hacs_slowfast; or local:
    your own data, with --annotations and either --features or --videos. Keeps comments and prints the diff.
    """
    from bmn.base.params import load_params
    from bmn.recipes.edits import edit
    from bmn.recipes.own import own_values
    from bmn.recipes.presets import use_preset
    from bmn.recipes.published import PUBLISHED

    named = {
        "data.features": features,
        "data.annotations": annotations,
        "data.subsets": subsets,
        "evaluate.classifier": classifier,
    }
    places = {key: place for key, place in named.items() if place}
    if preset != "local" and (videos or (places and preset not in PUBLISHED)):
        raise click.UsageError(f"the preset {preset} has its own data; --features and the like belong to local")
    if preset == "local" and not (bool(features) != bool(videos) and annotations):
        raise click.UsageError("the preset local needs --annotations, and either --features or --videos")
    path = Path("params.yaml")
    if preset == "local":
        own = own_values(load_params(path), features or videos, annotations, subsets, reset)
        difference = edit(path, own | ({"evaluate.classifier": classifier} if classifier else {}))
    else:
        difference = use_preset(preset, path, reset, places)
    print(difference or f"{path} is already up to date")
    if recipe := PUBLISHED.get(preset):
        print(recipe.told(path.parent, load_params(path).data.features or ""))
