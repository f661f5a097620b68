"""Weight files: ``.pdparams`` with the published names, read without executing anything from the file."""

import collections
import pickle
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.files import atomic_file
from bmn.base.params import ModelParams
from bmn.model.network import BMN
from bmn.model.paddle import paddle

PREFIX = "backbone."  # PaddleVideo's files hold the network under this name

# All that a pickled dictionary of arrays needs; NumPy 2 moved its module, and files contain both names.
_NUMPY = np.core.multiarray if np.__version__.startswith("1.") else np._core.multiarray  # type: ignore[attr-defined]
_ALLOWED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _NUMPY._reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _NUMPY._reconstruct,
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return _ALLOWED[module, name]


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the arrays of a ``.pdparams`` file, ours or PaddleVideo's (without its ``backbone.`` prefix).

    Raises:
        BmnError: the file is missing, damaged, or contains anything but named numeric arrays.
    """
    try:
        with open(path, "rb") as file:
            content = _ArraysOnly(file).load()
    except FileNotFoundError as error:
        raise BmnError(f"{path}: no such file") from error
    except Exception as error:  # a damaged pickle can raise anything at all
        raise BmnError(f"{path}: is not a plain weights file ({error}); none of it was executed") from error
    if not isinstance(content, dict):
        raise BmnError(f"{path}: holds a {type(content).__name__}; it should hold a dictionary of arrays")
    weights = {
        str(name).removeprefix(PREFIX): array
        for name, array in content.items()
        if name != "StructuredToParameterName@@"
    }
    for name, array in weights.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            raise BmnError(f"{path}: {name} is not an array of floating-point numbers")
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
        BmnError: they do not fit; see :func:`load_weights`.
    """
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
