"""Export the network: ``BMN.pdmodel`` (the published format) and ``BMN.json`` (Paddle 3's), which share the weights
``BMN.pdiparams``; and ``BMN.onnx``, also in lower precision.
"""

import filecmp
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.base.checksums import sha256
from bmn.base.errors import BmnError
from bmn.base.files import atomic_folder, write_json
from bmn.base.schema import ExportParams, ModelParams
from bmn.classify.classifier import FILE, SegmentClassifier, write_classifier
from bmn.export.manifest import manifest
from bmn.export.onnx import write_onnx
from bmn.export.program import NAME
from bmn.export.quantize import quantize
from bmn.launch.lifetime import die_with
from bmn.model.paddle import paddle
from bmn.model.weights import make_network, read_weights
from bmn.runtimes.engines import Maps, Program, open_engine
from bmn.runtimes.programs import MANIFEST

TIMED = 5  # calls; the latency is their median


def export(
    model: ModelParams,
    weights: Path,
    folder: Path,
    features: NDArray[np.float32],
    settings: ExportParams,
    about: Mapping[str, Any],
    classifier: SegmentClassifier | None = None,
) -> dict[str, dict[str, float]]:
    """Export programs, weights and a manifest, provided that the programs compute what the network does.

    Args:
        model: network sizes.
        weights: a ``.pdparams`` file.
        folder: replaced atomically; unchanged on any failure.
        features: ``[batch, channel, snippet]``, on which programs and network are compared.
        settings: which programs to write, and their tolerances.
        about: what the manifest says about the weights.
        classifier: labels the proposals; written beside the programs.

    Returns:
        For each program's file name, its ``largest_difference`` from the network (absolute) and its ``latency_ms`` for
        one video.

    Raises:
        BmnError: the weights do not fit, a program cannot be written, or one exceeds its tolerance.
    """
    paddle.set_device("cpu")  # the programs run there too
    arrays = read_weights(weights)
    network = make_network(model, arrays, weights)
    with paddle.no_grad():
        wanted = tuple(tensor.numpy() for tensor in network(paddle.to_tensor(features)))
    with atomic_folder(folder) as unchecked:
        whole = unchecked / f"{NAME}.onnx"
        write_onnx(model, arrays, whole)
        programs = [*write_programs(model, weights, unchecked), whole]
        limits = dict.fromkeys(programs, ("tolerance", settings.tolerance))
        for precision, tolerance in settings.lower_precision.items():
            quantized = unchecked / f"{NAME}.{precision}.onnx"
            quantize(whole, quantized, precision)
            limits[quantized] = f"lower_precision.{precision}", tolerance
        measured = {}
        for file, (name, tolerance) in limits.items():
            program = open_engine(file)
            difference = largest_difference(wanted, program.run(features))
            if not difference <= tolerance:
                raise BmnError(
                    f"{folder / file.name}: differs from the network by {difference:.1e} on {len(features)} videos; "
                    f"export.{name} allows at most {tolerance}"
                )
            measured[file] = {"largest_difference": difference, "latency_ms": latency_ms(program, features[:1])}
        differences = {file: values["largest_difference"] for file, values in measured.items()}
        labels = {}
        if classifier:
            write_classifier(unchecked / FILE, classifier)
            known = {"file": FILE, "sha256": sha256(unchecked / FILE), "classes": classifier.classes}
            labels["classifier"] = known
        write_json(unchecked / MANIFEST, manifest(model, weights, differences, {**about, **labels}))
    return {file.name: values for file, values in measured.items()}


def largest_difference(wanted: Maps, found: Maps) -> float:
    """The largest absolute difference between maps; NaN if either contains one."""
    return float(np.max([np.abs(a - b).max() for a, b in zip(wanted, found, strict=True)]))


def latency_ms(program: Program, features: NDArray[np.float32]) -> float:
    """The median duration of a call, in milliseconds."""
    times = []
    for _ in range(TIMED):
        start = time.perf_counter()
        program.run(features)
        times.append(time.perf_counter() - start)
    return round(1000 * float(np.median(times)), 2)


def write_programs(model: ModelParams, weights: Path, folder: Path) -> list[Path]:
    """Write the program in every format this Paddle supports, and their shared weights; returns the program files.

    Paddle settles on a format at import, so each is written by its own process.
    """
    forms = {"0": ".pdmodel", "1": ".json"} if paddle.__version__ >= "3" else {"0": ".pdmodel"}
    programs: list[Path] = []
    for flag, suffix in forms.items():
        written = folder / flag
        words = [sys.executable, "-m", "bmn.export.program", str(weights), str(written), model.model_dump_json()]
        environment = os.environ | {"FLAGS_enable_pir_api": flag}
        bound = die_with(os.getpid())
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, preexec_fn=bound)
        if done.returncode != 0:
            print(done.stderr, file=sys.stderr)
            raise BmnError(f"{weights}: could not be exported as {NAME}{suffix}; see Paddle's error above")
        parameters, shared = written / f"{NAME}.pdiparams", folder / f"{NAME}.pdiparams"
        if programs and not filecmp.cmp(parameters, shared, shallow=False):
            raise BmnError(f"{weights}: Paddle wrote different weights for .pdmodel and {suffix}; they cannot share")
        os.replace(parameters, shared)
        programs.append((written / f"{NAME}{suffix}").rename(folder / f"{NAME}{suffix}"))
        for rest in written.iterdir():
            rest.unlink()
        written.rmdir()
    return programs


def random_features(model: ModelParams, videos: int) -> NDArray[np.float32]:
    """Random features ``[video, channel, snippet]``, to compare programs without data."""
    shape = videos, model.feat_dim, model.tscale
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def describe(folder: Path, measured: Mapping[str, Mapping[str, float]]) -> str:
    """What :func:`export` measured, one line per program."""
    return "\n".join(
        f"{folder / name}: differs from the network by at most {values['largest_difference']:.1e}, "
        f"takes {values['latency_ms']:.1f} ms per video"
        for name, values in measured.items()
    )
