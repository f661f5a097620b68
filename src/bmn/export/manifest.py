"""The manifest of an exported model: what its users need to know, in ``manifest.json`` next to the programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bmn
from bmn.base.checksums import sha256
from bmn.base.schema import ModelParams
from bmn.base.versions import versions
from bmn.runtimes.programs import PARAMETERS

INPUT = "feat_input"  # PaddleVideo's name
OUTPUTS = ["confidence_map", "start", "end"]
PACKAGES = ("paddlepaddle", "paddlepaddle-gpu", "numpy", "onnx", "onnxruntime")


def manifest(
    model: ModelParams, weights: Path, programs: Mapping[Path, float], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe an exported model.

    Args:
        model: network sizes.
        weights: the exported ``.pdparams``.
        programs: each file's largest difference from the network.
        about: what else is known: data, recipe, metrics; ``overlap`` if the network was trained on windows.
    """
    batch, dscale, tscale = "batch", model.dscale, model.tscale
    parameters = next(file for file in programs if file.suffix != ".onnx").with_suffix(".pdiparams")
    return {
        "inputs": [
            {
                "name": INPUT,
                "dtype": "float32",
                "shape": [batch, model.feat_dim, tscale],
                "meaning": "features [batch, channel, snippet], snippets evenly spaced over the video",
            }
        ],
        "outputs": [
            {
                "name": OUTPUTS[0],
                "dtype": "float32",
                "shape": [batch, 2, dscale, tscale],
                "meaning": "regression and classification confidence, each in [0, 1], of the proposal "
                "[batch, channel, duration, start] that starts at snippet `start` and lasts `duration` + 1 snippets; "
                "0 if it would end after the video",
            },
            {
                "name": OUTPUTS[1],
                "dtype": "float32",
                "shape": [batch, tscale],
                "meaning": "probability that an action starts in each snippet",
            },
            {
                "name": OUTPUTS[2],
                "dtype": "float32",
                "shape": [batch, tscale],
                "meaning": "probability that an action ends in each snippet",
            },
        ],
        "programs": {
            file.name: {"sha256": sha256(file), "largest_difference": difference}
            for file, difference in programs.items()
        },
        PARAMETERS: sha256(parameters),
        "weights_sha256": sha256(weights),
        "model": model.model_dump(),
        **about,
        "versions": {"bmn": bmn.__version__, **versions(PACKAGES)},
    }
