"""Proposals from an exported model, with Paddle Inference: nothing of training, tracking or the pipeline is needed."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from paddle import inference

from bmn.errors import BmnError
from bmn.files import read_json
from bmn.proposals import Floats, Result, SoftNMS, decode, in_seconds, results, soft_nms

PROGRAMS = (".pdmodel", ".json")  # the published form, and that of Paddle 3
CARD = "card.json"  # what export tells of the model, beside the program
PUBLISHED_SIZES = 400, 100  # of a program without a card: PaddleVideo's
PUBLISHED = SoftNMS()
CPU_THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))


class Predictor:
    """An exported BMN: features in, proposals out.

    Args:
        model: the ``.pdmodel`` or ``.json`` program with its ``.pdiparams`` beside it, or the folder that holds them.
        settings: of Soft-NMS; the published ones by default.
        device: ``cpu`` or ``gpu``.

    Raises:
        BmnError: there is no such model.
    """

    def __init__(self, model: Path, settings: SoftNMS = PUBLISHED, device: str = "cpu") -> None:
        program = find_program(model)
        config = inference.Config(str(program), str(program.with_suffix(".pdiparams")))
        config.disable_glog_info()
        if device == "gpu":
            config.enable_use_gpu(200, 0)
        else:
            config.disable_gpu()
            config.set_cpu_math_library_num_threads(CPU_THREADS)
        self.settings = settings
        self._predictor = inference.create_predictor(config)
        [name] = self._predictor.get_input_names()
        self._input = self._predictor.get_input_handle(name)
        self.channels, self.tscale = _sizes(program)

    def maps(self, features: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Run the network: features ``[batch, channel, snippet]`` to confidence map ``[batch, 2, D, T]``, start and
        end probabilities ``[batch, T]``."""
        self._input.copy_from_cpu(np.ascontiguousarray(features, dtype=np.float32))
        self._predictor.run()
        names = self._predictor.get_output_names()
        return tuple(self._predictor.get_output_handle(name).copy_to_cpu() for name in names)

    def propose(self, features: NDArray[np.float32], duration: float) -> list[Result]:
        """The proposals of one video, best first, segments in seconds.

        Args:
            features: ``[snippet, channel]``, as many snippets as the model takes.
            duration: of the video, in seconds.

        Raises:
            BmnError: the features have another shape or are not finite.
        """
        wanted = (self.tscale, self.channels)
        if features.shape != wanted or not np.isfinite(features).all():
            raise BmnError(f"features of the shape {features.shape}: finite ones of {wanted} are expected")
        [rows] = self.propose_batch(features.T[None], np.array([duration]))
        return results(rows)

    def propose_batch(self, features: NDArray[np.float32], durations: Floats) -> list[Floats]:
        """The proposals of several videos: for each ``[proposal, 3]`` (start and end in seconds, score).

        Args:
            features: ``[batch, channel, snippet]``.
            durations: ``[batch]``, seconds.
        """
        return in_seconds(soft_nms(decode(*self.maps(features)), self.settings), durations)


def find_program(model: Path) -> Path:
    """The program file of an exported model.

    Raises:
        BmnError: it is not there, or its ``.pdiparams`` is not beside it.
    """
    candidates = [model] if model.suffix in PROGRAMS else [model / f"BMN{suffix}" for suffix in PROGRAMS]
    for program in candidates:
        if program.is_file() and program.with_suffix(".pdiparams").is_file():
            return program
    raise BmnError(f"{model}: holds no BMN.pdmodel with BMN.pdiparams; export a model first (dvc repro export)")


def _sizes(program: Path) -> tuple[int, int]:
    """Channels and snippets that a program takes."""
    card = program.with_name(CARD)
    if not card.exists():
        return PUBLISHED_SIZES
    [entry] = read_json(card)["inputs"]
    _, channels, tscale = entry["shape"]
    return channels, tscale
