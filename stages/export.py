"""Stage 5: the best weights as an inference model, compared with the network before it is let out."""

import paddle
from layout import EXPORT, PROCESSED, TRAIN

from bmn import tracking
from bmn.commands import command
from bmn.config import load_params
from bmn.data.subset import open_subset
from bmn.errors import BmnError
from bmn.files import read_json, whole_folder
from bmn.inference.export import export, largest_difference
from bmn.weights import load_network


@command
def main() -> None:
    """Export, check, log."""
    params = load_params()
    paddle.set_device("cpu")
    weights = TRAIN / "best.pdparams"
    network = load_network(params.model, weights)
    store = open_subset(PROCESSED, params.evaluate.subset).store
    features = store.read(range(min(params.export.check_videos, len(store))))
    with whole_folder(EXPORT) as folder:
        for program in export(network, weights, folder):
            difference = largest_difference(network, program, features)
            print(f"{EXPORT / program.name}: differs from the network by {difference:.1e} at most")
            if not difference <= params.export.tolerance:
                raise BmnError(
                    f"{EXPORT / program.name}: differs from the network by {difference:.1e} on {len(features)} videos; "
                    f"at most export.tolerance ({params.export.tolerance}) is allowed"
                )
    with tracking.reopened_run(params, read_json(TRAIN / "run.json")["run_id"]):
        tracking.log_inference_model(EXPORT, features[:1], network.tscale, network.dscale)


if __name__ == "__main__":
    main()
