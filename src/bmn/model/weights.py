"""Weight files: ``.pdparams`` with the published names, read without executing anything from the file."""

import pickle
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.files import atomic_file
from bmn.base.schema import ModelParams
from bmn.model.device import require_gpus
from bmn.model.network import BMN
from bmn.model.paddle import paddle
from bmn.model.pickles import Array, read_pickle

PREFIX = "backbone."  # PaddleVideo's files hold the network under this name


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the arrays of a ``.pdparams`` file, ours or PaddleVideo's (without its ``backbone.`` prefix).

    Arrays of 16 or 64 bits become float32.

    Raises:
        BmnError: the file is missing, damaged, or contains anything but named arrays of finite numbers.
    """
    try:
        content = read_pickle(path.read_bytes())
    except FileNotFoundError as error:
        raise BmnError(f"{path}: no such file") from error
    except Exception as error:  # a damaged pickle can raise anything at all
        raise BmnError(f"{path}: is not a plain weights file ({error!s:.200}); none of it was executed") from error
    if not isinstance(content, dict):
        raise BmnError(f"{path}: holds a {type(content).__name__}; it should hold a dictionary of arrays")
    weights = {}
    for key, value in content.items():
        if key == "StructuredToParameterName@@":
            continue
        name = key.removeprefix(PREFIX)
        if not isinstance(value, Array) or value.array is None:
            raise BmnError(f"{path}: {name} is not an array of floating-point numbers")
        with np.errstate(over="ignore"):
            weights[name] = np.array(value.array, np.float32)
        if not np.isfinite(weights[name]).all():
            raise BmnError(f"{path}: {name} holds NaN, infinities or numbers too large for float32; get it again")
    return weights


def write_weights(weights: dict[str, NDArray[np.float32]], path: Path) -> None:
    """Write weights in the format of ``paddle.save``, atomically; equal weights give equal bytes.

    Paddle's own files contain tensor names that depend on what else the process has created.
    """
    content = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    names = {name: name for name in weights}
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        pickle.dump({**content, "StructuredToParameterName@@": names}, file, protocol=4)


def load_network(model: ModelParams, path: Path) -> BMN:
    """A network with weights from a file, in evaluation mode.

    Raises:
        BmnError: see :func:`read_weights` and :func:`load_weights`.
    """
    return make_network(model, read_weights(path), path)


def make_network(model: ModelParams, weights: dict[str, NDArray[np.float32]], origin: Path | None = None) -> BMN:
    """A network with given weights, in evaluation mode.

    Raises:
        BmnError: they do not fit (:func:`load_weights`), or Paddle has no code for its GPU.
    """
    if (device := paddle.get_device()).startswith("gpu"):
        require_gpus(device)
    network = BMN(**model.model_dump())
    load_weights(network, weights, origin or Path("the weights"))
    network.eval()
    return network


def load_weights(network: paddle.nn.Layer, weights: dict[str, NDArray[np.float32]], origin: Path) -> None:
    """Load weights into a network.

    Raises:
        BmnError: a parameter is missing, unknown or of the wrong shape; the message names ``origin`` as the file.
    """
    own = cast(dict[str, paddle.Tensor], network.state_dict())
    for name in own.keys() | weights.keys():
        if name not in weights:
            raise BmnError(f"{origin}: has no {name}, which this network needs; use weights of a BMN")
        if name not in own:
            raise BmnError(f"{origin}: has {name}, which this network does not have; use weights of a BMN")
        found, wanted = list(weights[name].shape), list(own[name].shape)
        if found != wanted:
            raise BmnError(
                f"{origin}: {name} has the shape {found}, but in params.yaml's network {wanted}; "
                f"set model to the values that the weights were trained with"
            )
    network.set_state_dict(weights)
