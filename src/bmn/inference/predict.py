"""``python -m bmn.inference.predict``: proposals for feature files, as PaddleVideo's predict.py gives them."""

import argparse
from pathlib import Path

import numpy as np

from bmn.commands import command
from bmn.config import load_params
from bmn.data.features import read_features, resize
from bmn.files import write_json
from bmn.inference.inputs import read_items
from bmn.inference.predictor import Predictor
from bmn.proposals import Result, SoftNMS, results

BATCH_SIZE = 16
PRINTED = 5  # best proposals a file
RESULT = "bmn_results_inference.json"  # the published name


@command
def main() -> None:
    """Print the best proposals of each feature file and save all of them."""
    parser = argparse.ArgumentParser(prog="bmn.inference.predict", description=main.__doc__)
    parser.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        help='.npy files, or a list with {"feat_path": "a.npy", "duration_second": 12.5} a line',
    )
    parser.add_argument("--model", type=Path, default=Path("outputs/export"), help="program file, or its folder")
    parser.add_argument("--output", type=Path, default=Path("outputs/predict"), help=f"folder for {RESULT}")
    parser.add_argument("--duration", type=float, help="seconds, for .npy inputs; without it segments are fractions")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--params", type=Path, help="take the Soft-NMS settings from this params.yaml")
    given = parser.parse_args()

    items = [item for path in given.inputs for item in read_items(path, given.duration)]
    settings = SoftNMS(**load_params(given.params).proposals.model_dump()) if given.params else SoftNMS()
    predictor = Predictor(given.model, settings, given.device)
    found: dict[str, list[Result]] = {}
    for first in range(0, len(items), BATCH_SIZE):
        batch = items[first : first + BATCH_SIZE]
        features = [resize(read_features(Path(item.path), predictor.channels), predictor.tscale).T for item in batch]
        durations = np.array([item.duration for item in batch])
        for item, rows in zip(batch, predictor.propose_batch(np.stack(features), durations), strict=True):
            found[item.path] = results(rows)
            print(f"BMN Inference results of {item.path} :")
            for proposal in found[item.path][:PRINTED]:
                print(proposal)
    write_json(given.output / RESULT, found, indent=None)


if __name__ == "__main__":
    main()
