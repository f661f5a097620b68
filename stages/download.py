"""Stage 1: fetch features and annotations into ``data/raw``."""

from layout import DOWNLOADS, INPUTS, PROJECT, RAW

from bmn.acquire.download import Patience
from bmn.acquire.raw import record_raw
from bmn.acquire.sources import bring
from bmn.acquire.synthetic import make_synthetic
from bmn.base.files import atomic_folder, read_json
from bmn.base.params import check_unchanged, load_params
from bmn.launch.command import command


@command
def main() -> None:
    """Generate the embedded data set, or fetch the one named in params.yaml."""
    params = load_params()
    if params.data.source != "synthetic":
        given = params.download
        patience = Patience(given.timeout, given.attempts, given.slowest, 60 * given.slow_minutes)
        bring(params, read_json(INPUTS), RAW, PROJECT, DOWNLOADS, patience)
        print(f"{RAW}: features from {params.data.features}, annotations from {params.data.annotations}")
    else:
        videos = {
            "training": params.data.synthetic.training_videos,
            "validation": params.data.synthetic.validation_videos,
        }
        with atomic_folder(RAW) as folder:
            make_synthetic(
                folder,
                seed=params.data.synthetic.seed,
                videos=videos,
                feat_dim=params.model.feat_dim,
                tscale=params.model.tscale,
            )
            record_raw(folder)
        print(f"{RAW}: generated {videos['training']} training and {videos['validation']} validation videos")
    check_unchanged(params, "data", "extract", "model.feat_dim", "model.tscale")


if __name__ == "__main__":
    main()
