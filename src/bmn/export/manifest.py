"""The manifest of an exported model: what its users have to know, in ``manifest.json`` beside the programs."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import bmn
from bmn.base.checksums import sha256
from bmn.base.params import ModelParams
from bmn.runtimes.programs import PARAMETERS

OUTPUTS = ["confidence_map", "start", "end"]
NAMED = ("paddlepaddle", "paddlepaddle-gpu", "numpy", "paddle2onnx", "onnx", "onnxruntime")


def manifest(
    model: ModelParams, weights: Path, programs: Mapping[Path, float], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe an exported model.

    Args:
        model: the sizes of the network.
        weights: that were exported.
        programs: the files, each with its largest difference from the network.
        about: what else is known: data, recipe, figures; ``overlap`` of windows, where the network saw windows.
    """
    batch, dscale, tscale = "batch", model.dscale, model.tscale
    parameters = next(file for file in programs if file.suffix != ".onnx").with_suffix(".pdiparams")
    return {
        "inputs": [
            {
                "name": "feat_input",
                "dtype": "float32",
                "shape": [batch, model.feat_dim, tscale],
                "meaning": "features [batch, channel, snippet], the snippets spread evenly over the video",
            }
        ],
        "outputs": [
            {
                "name": OUTPUTS[0],
                "dtype": "float32",
                "shape": [batch, 2, dscale, tscale],
                "meaning": "regression and classification, each from 0 to 1, of the proposal "
                "[batch, channel, duration, start] that starts at snippet `start` and lasts `duration` + 1 snippets; "
                "0 where it would end after the video",
            },
            {
                "name": OUTPUTS[1],
                "dtype": "float32",
                "shape": [batch, tscale],
                "meaning": "probability that an action starts in each snippet, from 0 to 1",
            },
            {
                "name": OUTPUTS[2],
                "dtype": "float32",
                "shape": [batch, tscale],
                "meaning": "probability that an action ends in each snippet, from 0 to 1",
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
        "versions": {"bmn": bmn.__version__, "python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in NAMED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
