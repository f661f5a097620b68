"""The fields of protobuf messages: just enough to inspect a program without a library's parser.

Anything ambiguous is refused, so that a runtime cannot read a different program from the same bytes.
"""

from collections.abc import Iterator

Message = memoryview

_VARINT, _EIGHT_BYTES, _DELIMITED, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST_VARINT = 10  # bytes
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}


def fields(message: Message) -> Iterator[tuple[int, int | Message]]:
    """Every field: its number, and its value: an integer, or bytes for a string, message or packed list.

    Raises:
        ValueError: the message is damaged.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _DELIMITED:
            size, at = _varint(message, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"field {number} has the unknown wire type {kind}")
        if size > len(message) - at:
            raise ValueError(f"it ends within field {number}")
        part, at = message[at : at + size], at + size
        yield number, part if kind == _DELIMITED else int.from_bytes(part, "little")


def messages(message: Message, number: int) -> Iterator[Message]:
    """The values of a repeated field of messages or strings.

    Raises:
        ValueError: the message is damaged, or the field holds an integer.
    """
    for found, value in fields(message):
        if found == number:
            if isinstance(value, int):
                raise ValueError(f"field {number} holds an integer")
            yield value


def text(message: Message, number: int) -> str:
    """The value of a string field; empty if it is not set.

    Raises:
        ValueError: the message is damaged, or the field is set twice or is not UTF-8.
    """
    values = [bytes(value).decode() for value in messages(message, number)]
    if len(values) > 1:
        raise ValueError(f"field {number} is set {len(values)} times")
    return "".join(values)


def integers(message: Message, number: int) -> list[int]:
    """The values of a field of signed integers, packed or not.

    Raises:
        ValueError: the message is damaged.
    """
    values: list[int] = []
    for found, value in fields(message):
        if found == number:
            values += [value] if isinstance(value, int) else _unpacked(value)
    return [value - 2**64 if value >= 2**63 else value for value in values]


def _unpacked(packed: Message) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def _varint(message: Message, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value % 2**64, at + place + 1
    raise ValueError("it ends within a number")
