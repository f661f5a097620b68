"""Checkpoints: everything a training needs to resume as if it had never stopped, in one file written atomically."""

import json
import os
import platform
import shutil
import zipfile
from pathlib import Path
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from bmn.base.errors import BmnError
from bmn.base.files import atomic_file
from bmn.launch.lifetime import GRACE
from bmn.model.paddle import paddle

Arrays = dict[str, NDArray[Any]]
KEPT = 2  # the newest, and a fallback in case it is damaged
PATIENCE = GRACE + 5.0  # seconds, enough for an earlier process of the same training to be shut down


class Checkpoints:
    """The checkpoints of one training; a context manager that locks their folder against other processes."""

    def __init__(self, folder: Path, patience: float = PATIENCE) -> None:
        """``patience``: seconds to wait for another process to release the folder; -1 waits forever."""
        self.folder = folder
        self._lock = FileLock(folder.with_name(f"{folder.name}.lock"), timeout=patience)

    def __enter__(self) -> Self:
        """Lock the folder.

        Raises:
            BmnError: another process is training there.
        """
        holder = Path(self._lock.lock_file)
        holder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise BmnError(
                f"{self.folder}: {_who(holder)} is running this training; wait until it ends or stop it, then run the "
                f"same command to resume"
            ) from error
        holder.write_text(f"{os.getpid()} on {platform.node()}")
        return self

    def __exit__(self, *_: object) -> None:
        Path(self._lock.lock_file).unlink(missing_ok=True)  # while held: a waiting process then locks a new file
        self._lock.release()

    def save(self, iteration: int, arrays: Arrays, state: dict[str, Any]) -> None:
        """Write a checkpoint and delete all but the last two.

        Args:
            iteration: iterations completed so far.
            arrays: weights and optimizer state by name.
            state: everything else, as JSON.

        Raises:
            BmnError: the disk is full or fails; earlier checkpoints are left untouched.
        """
        path = self.folder / f"{iteration:09d}.npz"
        try:
            with atomic_file(path) as temporary:
                contents = arrays | {"state": np.array(json.dumps(state))}
                np.savez(temporary, **contents)  # type: ignore[arg-type]  # NumPy 1 has no allow_pickle here
        except OSError as error:
            raise BmnError(
                f"{path}: the checkpoint cannot be written ({error.strerror}); make room, then run the same command to "
                f"resume from the previous checkpoint"
            ) from error
        for old in self._files()[:-KEPT]:
            old.unlink()

    def newest(self) -> tuple[Arrays, dict[str, Any]] | None:
        """The arrays and state of the newest undamaged checkpoint, or None."""
        for path in reversed(self._files()):
            try:
                with np.load(path, allow_pickle=False) as file:
                    arrays = {name: file[name] for name in file.files}
                return arrays, json.loads(str(arrays.pop("state")))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                print(f"warning: {path}: is damaged ({error}); trying the previous checkpoint")
        return None

    def clear(self) -> None:
        """Delete the checkpoints once the training is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.npz"))


def _who(holder: Path) -> str:
    """Who holds a lock; it may be just beginning or ending."""
    try:
        return f"process {holder.read_text() or '?'}"
    except FileNotFoundError:
        return "another process"


def pack(network: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer) -> Arrays:
    """Weights and optimizer state as arrays, both under the network's own parameter names.

    Paddle's names of an optimizer's state depend on what else the process has created; these do not.
    """
    given = {parameter.name: name for name, parameter in network.named_parameters()}
    arrays = {f"network/{name}": tensor.numpy() for name, tensor in network.state_dict().items()}
    for key, value in optimizer.state_dict().items():
        owner = _owner(key, given)
        if owner is not None:
            arrays[f"optimizer/{given[owner]}/{key.removeprefix(owner)}"] = value.numpy()
    return arrays


def unpack(arrays: Arrays, network: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
    """Restore what :func:`pack` returned."""
    given = {name: parameter.name for name, parameter in network.named_parameters()}
    network.set_state_dict(_under("network/", arrays))
    state = {}
    for key, value in _under("optimizer/", arrays).items():
        name, kind = key.split("/")
        state[given[name] + kind] = paddle.to_tensor(value)
    optimizer.set_state_dict(state)


def _owner(key: str, given: dict[str, str]) -> str | None:
    """The parameter that an entry of the optimizer's state belongs to: its longest matching prefix."""
    return max((name for name in given if key.startswith(f"{name}_")), key=len, default=None)


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
