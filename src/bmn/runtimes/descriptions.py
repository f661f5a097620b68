"""A program's inputs and operators, read without a runtime; only operators known to be harmless are accepted."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.files import unique_keys
from bmn.runtimes.operators import ONNX, PADDLE
from bmn.runtimes.wire import Message, integers, messages, text

Inputs = dict[str, tuple[int, ...]]
"""The shape of each input by name; -1 for a dynamic size."""

LARGEST = 2 << 30  # bytes of a program; protobuf has the same limit
LARGEST_TEXT = 64 << 20  # bytes of a .json program, which contains no weights
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
_BLOCK_ATTRIBUTES = (8, 10)  # types of .pdmodel attributes that refer to further blocks


def describe(program: Path) -> Inputs:
    """Read a ``.pdmodel``, ``.json`` or ``.onnx`` program, and refuse one that could do anything but compute.

    Raises:
        BmnError: the program cannot be read or is damaged; it uses an operator that is not in
            :mod:`bmn.runtimes.operators`, control flow or a local function; or it keeps data in another file.
    """
    try:
        size, limit = program.stat().st_size, LARGEST_TEXT if program.suffix == ".json" else LARGEST
        if size > limit:
            raise BmnError(f"{program}: has {size} bytes; a {program.suffix} program may have at most {limit}")
        content = program.read_bytes()
    except OSError as error:
        raise BmnError(f"{program}: cannot be read ({error.strerror})") from error
    try:
        if program.suffix == ".json":
            operators, inputs = _read_json(content)
        else:
            operators, inputs = (_read_onnx if program.suffix == ".onnx" else _read_pdmodel)(memoryview(content))
    except _DAMAGE as error:
        raise BmnError(
            f"{program}: is not a {program.suffix} program, or is damaged ({error}); export it again"
        ) from error
    foreign = operators - (ONNX if program.suffix == ".onnx" else PADDLE)
    if foreign:
        raise BmnError(
            f"{program}: uses {', '.join(sorted(foreign)[:5])}; only operators that purely compute are allowed; "
            "export it without"
        )
    return inputs


def _read_pdmodel(program: Message) -> tuple[set[str], Inputs]:
    """``ProgramDesc`` of Paddle's framework.proto."""
    [block] = messages(program, 1)  # more would be control flow
    operations = list(messages(block, 4))
    for operation in operations:
        for attribute in messages(operation, 4):
            if set(integers(attribute, 2)) & set(_BLOCK_ATTRIBUTES):
                raise ValueError(f"{text(operation, 3)} contains a nested block")
    fed = {name for operation in operations if text(operation, 3) == "feed" for name in _arguments(operation, "Out")}
    variables = {text(variable, 1): variable for variable in messages(block, 3)}
    return {text(operation, 3) for operation in operations}, {name: _shape(variables[name]) for name in sorted(fed)}


def _arguments(operation: Message, parameter: str) -> Iterable[str]:
    for output in messages(operation, 2):
        if text(output, 1) == parameter:
            yield from (bytes(name).decode() for name in messages(output, 2))


def _shape(variable: Message) -> tuple[int, ...]:
    [kind] = messages(variable, 2)
    [dense] = messages(kind, 3)
    [tensor] = messages(dense, 1)
    return tuple(integers(tensor, 2))


def _read_json(program: bytes) -> tuple[set[str], Inputs]:
    """Paddle 3's format. Operators are written ``1.conv2d``, where 1 is the dialect; ``p`` is a parameter."""
    content = json.loads(program.decode(), object_pairs_hook=unique_keys)
    [region] = content["program"]["regions"]
    [block] = region["blocks"]
    operators: set[str] = set()
    inputs: Inputs = {}
    for operation in block["ops"]:
        if "regions" in operation:
            raise ValueError(f"{operation['#']} contains a nested block")
        dialect, _, name = operation["#"].partition(".")
        if dialect == "1":
            operators.add(name)
        elif operation["#"] not in ("p", "0.combine", "0.slice", "0.split"):
            operators.add(operation["#"])
        if operation["#"] == "1.data":
            attributes: dict[str, Any] = {attribute["N"]: attribute["AT"]["D"] for attribute in operation["A"]}
            inputs[str(attributes["name"])] = tuple(int(size) for size in attributes["shape"])
    return operators, inputs


def _read_onnx(program: Message) -> tuple[set[str], Inputs]:
    """``ModelProto`` of onnx.proto."""
    [graph] = messages(program, 7)
    if list(messages(program, 25)):
        raise ValueError("it defines functions")
    operators = set()
    tensors = list(messages(graph, 5))
    for sparse in messages(graph, 15):
        tensors += [*messages(sparse, 1), *messages(sparse, 2)]
    for node in messages(graph, 1):
        domain = text(node, 7)
        operators.add(text(node, 4) if domain in ("", "ai.onnx") else f"{domain}.{text(node, 4)}")
        for attribute in messages(node, 5):
            if list(messages(attribute, 6)) or list(messages(attribute, 11)):
                raise ValueError(f"{text(node, 4)} contains a nested graph")
            if list(messages(attribute, 22)) or list(messages(attribute, 23)):
                raise ValueError(f"{text(node, 4)} holds a sparse constant")
            tensors += [*messages(attribute, 5), *messages(attribute, 10)]
    if any(list(messages(tensor, 13)) or any(integers(tensor, 14)) for tensor in tensors):
        raise ValueError("it stores weights in another file")
    constants = {text(tensor, 8) for tensor in messages(graph, 5)}
    given = (value for value in messages(graph, 11) if text(value, 1) not in constants)
    return operators, {text(value, 1): _onnx_shape(value) for value in given}


def _onnx_shape(value: Message) -> tuple[int, ...]:
    [kind] = messages(value, 2)
    [tensor] = messages(kind, 1)
    [shape] = messages(tensor, 2)
    return tuple(next(iter(integers(size, 1)), -1) for size in messages(shape, 1))
