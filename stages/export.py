"""Stage 5: the best weights as an inference model, compared with the network before it is let out."""

import paddle
from layout import EXPORT, PROCESSED, TRAIN

from bmn import tracking
from bmn.commands import command
from bmn.config import load_params
from bmn.data.subset import open_subset
from bmn.files import read_json
from bmn.inference.export import export


@command
def main() -> None:
    """Export, check, log."""
    params = load_params()
    paddle.set_device("cpu")
    store = open_subset(PROCESSED, params.evaluate.subset).store
    features = store.read(range(min(params.export.check_videos, len(store))))
    differences = export(params.model, TRAIN / "best.pdparams", EXPORT, features, params.export.tolerance)
    for name, difference in differences.items():
        print(f"{EXPORT / name}: differs from the network by {difference:.1e} at most")
    with tracking.reopened_run(params, read_json(TRAIN / "run.json")["run_id"]):
        tracking.log_inference_model(EXPORT, features[:1], params.model.tscale, params.model.dscale)


if __name__ == "__main__":
    main()
