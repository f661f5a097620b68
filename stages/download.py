"""Stage 1: bring features and annotations to ``data/raw``."""

from layout import RAW

from bmn.commands import command
from bmn.config import load_params
from bmn.data.synthetic import make_synthetic
from bmn.errors import BmnError
from bmn.files import whole_folder


@command
def main() -> None:
    """Make the embedded data set, or fetch the one that params.yaml names."""
    params = load_params()
    if params.data.source != "synthetic":
        raise BmnError(f"params.yaml: data.source is {params.data.source!r}; only 'synthetic' is there yet")
    videos = {
        "training": params.data.synthetic.training_videos,
        "validation": params.data.synthetic.validation_videos,
    }
    with whole_folder(RAW) as folder:
        make_synthetic(
            folder,
            seed=params.data.synthetic.seed,
            videos=videos,
            feat_dim=params.model.feat_dim,
            tscale=params.model.tscale,
        )
    print(f"{RAW}: made {videos['training']} training and {videos['validation']} validation videos")


if __name__ == "__main__":
    main()
