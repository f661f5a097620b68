"""The network as a program that Paddle Inference runs: ``BMN.pdmodel`` (the published form), ``BMN.json`` (Paddle 3's)
and ``BMN.pdiparams``, the weights of both.

``python -m bmn.inference.export WEIGHTS FOLDER MODEL`` writes one program; which one, Paddle decides when it is
imported, so :func:`export` runs it in a process for each.
"""

import argparse
import filecmp
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from bmn.commands import command
from bmn.config import ModelParams
from bmn.errors import BmnError
from bmn.files import whole_folder, write_json
from bmn.inference.predictor import Predictor
from bmn.model.network import BMN
from bmn.weights import load_network

NAME = "BMN"
CARD = "card.json"  # what a user of the model has to know
INPUT = "feat_input"  # as PaddleVideo names it


def export(
    model: ModelParams, weights: Path, folder: Path, features: NDArray[np.float32], tolerance: float
) -> dict[str, float]:
    """Write the programs with their weights and the card that describes them, if they compute what the network does.

    Args:
        model: the sizes of the network.
        weights: its ``.pdparams``.
        folder: takes the place of an earlier one, or stays as it is when anything goes wrong.
        features: ``[batch, channel, snippet]``, to compare the programs with the network on.
        tolerance: the largest difference allowed.

    Returns:
        The name of each program file, and its largest absolute difference from the network.

    Raises:
        BmnError: the weights do not fit, Paddle failed or wrote different weights for the programs, or a program
            differs from the network by more than the tolerance.
    """
    network = load_network(model, weights)
    with whole_folder(folder) as unchecked:
        programs = write_programs(model, weights, unchecked)
        differences = {program.name: largest_difference(network, program, features) for program in programs}
        for name, difference in differences.items():
            if not difference <= tolerance:
                raise BmnError(
                    f"{folder / name}: differs from the network by {difference:.1e} on {len(features)} videos; "
                    f"at most export.tolerance ({tolerance}) is allowed"
                )
        write_json(unchecked / CARD, card(network, weights))
    return differences


def write_programs(model: ModelParams, weights: Path, folder: Path) -> list[Path]:
    """Write every form of program that this Paddle has, and the weights that they share; gives the program files."""
    forms = {"0": ".pdmodel", "1": ".json"} if paddle.__version__ >= "3" else {"0": ".pdmodel"}
    programs: list[Path] = []
    for flag, suffix in forms.items():
        written = folder / flag
        words = [sys.executable, "-m", "bmn.inference.export", str(weights), str(written), model.model_dump_json()]
        environment = os.environ | {"FLAGS_enable_pir_api": flag}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(done.stderr, file=sys.stderr)
            raise BmnError(f"{weights}: could not be exported as {NAME}{suffix}; Paddle's reason stands above")
        parameters, shared = written / f"{NAME}.pdiparams", folder / f"{NAME}.pdiparams"
        if programs and not filecmp.cmp(parameters, shared, shallow=False):
            raise BmnError(f"{weights}: Paddle wrote other weights for {suffix} than for .pdmodel; they cannot share")
        os.replace(parameters, shared)
        programs.append((written / f"{NAME}{suffix}").rename(folder / f"{NAME}{suffix}"))
        for rest in written.iterdir():
            rest.unlink()
        written.rmdir()
    return programs


def card(network: BMN, weights: Path) -> dict[str, Any]:
    """What a user of the exported model has to know: inputs and outputs in order, and where the weights come from."""
    batch, dscale, tscale = "batch", network.dscale, network.tscale
    return {
        "inputs": [
            {
                "name": INPUT,
                "shape": [batch, network.feat_dim, tscale],
                "meaning": "features [batch, channel, snippet], the snippets spread evenly over the video",
            }
        ],
        "outputs": [
            {
                "name": "confidence_map",
                "shape": [batch, 2, dscale, tscale],
                "meaning": "regression and classification of the proposal [batch, channel, duration, start] that "
                "starts at snippet `start` and lasts `duration` + 1 snippets; 0 where it would end after the video",
            },
            {"name": "start", "shape": [batch, tscale], "meaning": "start probability of each snippet"},
            {"name": "end", "shape": [batch, tscale], "meaning": "end probability of each snippet"},
        ],
        "paddle": paddle.__version__,
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }


def largest_difference(network: BMN, program: Path, features: NDArray[np.float32]) -> float:
    """The largest absolute difference between the outputs of the network and of its exported program.

    Args:
        features: ``[batch, channel, snippet]``.
    """
    with paddle.no_grad():
        wanted = [tensor.numpy() for tensor in network(paddle.to_tensor(features))]
    found = Predictor(program).maps(features)
    return max(float(np.abs(a - b).max()) for a, b in zip(wanted, found, strict=True))


@command
def main() -> None:
    """Write one program, in the form that FLAGS_enable_pir_api names."""
    parser = argparse.ArgumentParser(prog="bmn.inference.export", description=main.__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", help="the sizes of the network, as JSON")
    given = parser.parse_args()
    network = load_network(ModelParams.model_validate_json(given.model), given.weights)
    features = paddle.static.InputSpec([None, network.feat_dim, network.tscale], "float32", INPUT)
    paddle.jit.save(network, str(given.folder / NAME), input_spec=[features])


if __name__ == "__main__":
    main()
