"""Dictionaries of arrays out of pickles of unknown origin; nothing else is built, and nothing is called.

A pickle is a program. Here stand-ins take the place of what it names, and it gets only the instructions that a
dictionary of arrays needs.
"""

import io
import pickle
from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


def read_pickle(content: bytes) -> object:
    """What a pickle holds: dictionaries with names as keys, :class:`Array`, texts and numbers.

    Raises:
        Exception: of any kind, where the pickle is damaged or holds anything else.
    """
    return _Reader(io.BytesIO(content)).load()


class Array:
    """Stands for ``numpy.ndarray``: takes its state, but only of floating-point numbers that are all there.

    Attributes:
        array: read-only; None where the pickle gave no state.
    """

    array: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, content = state
        if kind.code not in ("f2", "f4", "f8"):
            raise pickle.UnpicklingError(f"it holds an array of {kind.code!r:.20}, not of floating-point numbers")
        array = np.frombuffer(content, np.dtype(kind.code).newbyteorder(kind.order))
        self.array = array.reshape(shape, order="F" if by_columns else "C")


class _Type:
    """Stands for ``numpy.dtype``, whose own state could make numbers pass for pointers."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


def _reconstruct(*_: object) -> Array:
    return Array()


def _empty_dictionary() -> dict[str, Any]:
    return {}


# All that a pickled dictionary of arrays names; NumPy 2 moved its module, and both names stand in files.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _empty_dictionary,
    ("numpy", "ndarray"): None,  # an argument of _reconstruct, never called
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}
# All that it is made of. Sets and keys that are tuples are left out: to hash them can take for ever.
_OPCODES = """
    PROTO FRAME STOP MARK EMPTY_DICT EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 NONE NEWTRUE NEWFALSE BININT BININT1 BININT2
    LONG1 SHORT_BINUNICODE BINUNICODE BINUNICODE8 SHORT_BINBYTES BINBYTES BINBYTES8 MEMOIZE BINPUT LONG_BINPUT BINGET
    LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD
""".split()  # noqa: SIM905


class _Reader(pickle._Unpickler):
    """Builds dictionaries of arrays out of a pickle, and nothing else.

    The one in Python, not in C: there a place in the memo costs no more than itself.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = defaultdict(lambda: _Reader._refuse)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]

    def _refuse(self) -> None:
        raise pickle.UnpicklingError("it holds more than names and arrays")

    def _set_item(self) -> None:
        value, name = self.stack.pop(), self.stack.pop()  # type: ignore[attr-defined]
        self._set([name, value])

    def _set_items(self) -> None:
        self._set(self.pop_mark())  # type: ignore[attr-defined]

    def _set(self, items: list[Any]) -> None:
        if not all(isinstance(name, str) for name in items[::2]):
            raise pickle.UnpicklingError("it holds names that are no text")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))  # type: ignore[attr-defined]

    for _code in _OPCODES:
        dispatch[getattr(pickle, _code)[0]] = pickle._Unpickler.dispatch[getattr(pickle, _code)[0]]
    dispatch |= {pickle.SETITEM[0]: _set_item, pickle.SETITEMS[0]: _set_items}
