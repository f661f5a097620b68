"""The network as programs: ``BMN.pdmodel`` (the published form) and ``BMN.json`` (Paddle 3's), with their common
weights ``BMN.pdiparams``; and ``BMN.onnx``, in lower precision too.
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

from bmn.base.errors import BmnError
from bmn.base.files import atomic_folder, write_json
from bmn.base.params import ExportParams, ModelParams
from bmn.export.manifest import OUTPUTS, manifest
from bmn.export.onnx import write_onnx
from bmn.export.program import NAME
from bmn.export.quantize import write_lower
from bmn.launch.lifetime import die_with
from bmn.model.paddle import paddle
from bmn.model.weights import load_network
from bmn.runtimes.engines import Maps, Program, open_engine
from bmn.runtimes.programs import MANIFEST

TIMED = 5  # calls whose median is the latency


def export(
    model: ModelParams,
    weights: Path,
    folder: Path,
    features: NDArray[np.float32],
    settings: ExportParams,
    about: Mapping[str, Any],
) -> dict[str, dict[str, float]]:
    """Write the programs with their weights and a manifest, if they compute what the network does.

    Args:
        model: the sizes of the network.
        weights: its ``.pdparams``.
        folder: takes the place of an earlier one, or stays as it is when anything goes wrong.
        features: ``[batch, channel, snippet]``, to compare the programs with the network on.
        settings: which programs, and how far from the network one may be.
        about: for the manifest: what is known of the weights.

    Returns:
        For each program file by name its ``largest_difference`` from the network (absolute) and ``latency_ms``, of one
        video.

    Raises:
        BmnError: the weights do not fit, a program could not be written, or one differs from the network by more than
            its tolerance.
    """
    paddle.set_device("cpu")  # where the programs are compared
    network = load_network(model, weights)
    with paddle.no_grad():
        wanted = tuple(tensor.numpy() for tensor in network(paddle.to_tensor(features)))
    with atomic_folder(folder) as unchecked:
        programs = write_programs(model, weights, unchecked)
        limits = dict.fromkeys(programs, ("tolerance", settings.tolerance))
        if settings.onnx:
            whole = unchecked / f"{NAME}.onnx"
            write_onnx(programs[-1], whole, OUTPUTS)
            limits[whole] = "tolerance", settings.tolerance
            for precision, tolerance in settings.lower_precision.items():
                lower = unchecked / f"{NAME}.{precision}.onnx"
                write_lower(whole, lower, precision)
                limits[lower] = f"lower_precision.{precision}", tolerance
        measured = {}
        for file, (name, tolerance) in limits.items():
            program = open_engine(file)
            difference = largest_difference(wanted, program.run(features))
            if not difference <= tolerance:
                raise BmnError(
                    f"{folder / file.name}: differs from the network by {difference:.1e} on {len(features)} videos; "
                    f"at most export.{name} ({tolerance}) is allowed"
                )
            measured[file] = {"largest_difference": difference, "latency_ms": latency_ms(program, features[:1])}
        differences = {file: values["largest_difference"] for file, values in measured.items()}
        write_json(unchecked / MANIFEST, manifest(model, weights, differences, about))
    return {file.name: values for file, values in measured.items()}


def largest_difference(wanted: Maps, found: Maps) -> float:
    """The largest absolute difference between maps; NaN where either holds one."""
    return float(np.max([np.abs(a - b).max() for a, b in zip(wanted, found, strict=True)]))


def latency_ms(program: Program, features: NDArray[np.float32]) -> float:
    """The median time of a call, in milliseconds."""
    times = []
    for _ in range(TIMED):
        start = time.perf_counter()
        program.run(features)
        times.append(time.perf_counter() - start)
    return round(1000 * float(np.median(times)), 2)


def write_programs(model: ModelParams, weights: Path, folder: Path) -> list[Path]:
    """Write every form of program that this Paddle has, and the weights that they share; gives the program files.

    Which form it writes, Paddle decides when it is imported: each has a process of its own.
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


def random_features(model: ModelParams, videos: int) -> NDArray[np.float32]:
    """Features ``[video, channel, snippet]`` to compare programs on where there are no data."""
    shape = videos, model.feat_dim, model.tscale
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def told(folder: Path, measured: Mapping[str, Mapping[str, float]]) -> str:
    """What :func:`export` measured, a line a program."""
    return "\n".join(
        f"{folder / name}: differs from the network by {values['largest_difference']:.1e} at most, "
        f"takes {values['latency_ms']:.1f} ms a video"
        for name, values in measured.items()
    )
