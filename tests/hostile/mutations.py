"""Damage, by chance and by intent: every function takes a ``random.Random`` and gives the same for the same."""

import json
import re

NUMBERS = (
    *("0", "-1", "-0", "1e999", "-1e999", "1e-999", "NaN", "Infinity", "true", "null", "2147483648"),
    *("9223372036854775808", "9" * 400, "9" * 5000, "0." + "3" * 400, "0x10", "1_000", "\u0663", "", " ", '"1"', "[]"),
)
TEXTS = (
    *("", " ", ".", "..", "/", "../../outside", "/tmp/outside", "a\0b", "\ud800", "\ufeff", "a\nb", "a" * 5000),
    *("~/outside", "$(touch outside)", "{{7*7}}", "<b>", "*", "\u202e", "v_", "CON", "!!python/object:os.system"),
)
VALUES = (
    *(None, True, False, 0, -1, 1, 1e308, float("inf"), float("nan"), 10**400, -(2**63), [], {}, [[]], [0, 1, 2]),
    *({"segment": [0, 1]}, ["a"], [None, None], [1e308, -1e308], *TEXTS),
)
WORDS = tuple(value.to_bytes(4, "little") for value in (0, 1, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 20))


def damaged(rng, content, others=()):
    """Bytes with one to four pieces changed, cut out, doubled, or taken from another file."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if not content:
            break
        at = rng.randrange(len(content))
        # Half of the damage near the ends, where headers and directories are.
        if rng.random() < 0.5:
            at = (
                min(len(content) - 1, rng.randrange(200)) if rng.random() < 0.7 else max(0, len(content) - 1 - at % 200)
            )
        size = rng.choice((1, 1, 2, 4, 16, 256, 4096))
        match rng.randrange(9):
            case 0:
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                content[at] = rng.randrange(256)
            case 2:
                content[at : at + 4] = rng.choice(WORDS)
            case 3:
                content[at : at + size] = rng.randbytes(size)
            case 4:
                del content[at : at + size]
            case 5:
                content[at:at] = content[at : at + size]
            case 6:
                del content[at:]
            case 7:
                content[at:at] = rng.choice((b"\0", b"\xff", b"\r", b"\n", b" ")) * size
            case 8 if others:
                other = rng.choice(others)
                cut = rng.randrange(len(other) + 1)
                content[at:] = other[cut:]
    return bytes(content)


def rewritten(rng, text):
    """A text in which numbers, words or lines became others, as bytes in one or another encoding."""
    for _ in range(rng.randint(1, 3)):
        lines = text.splitlines(keepends=True) or [""]
        at = rng.randrange(len(lines))
        match rng.randrange(8):
            case 0 | 1 | 2:
                found = list(re.finditer(r"-?\d+(\.\d+)?(e-?\d+)?", text))
                if found:
                    spot = rng.choice(found)
                    text = text[: spot.start()] + rng.choice(NUMBERS) + text[spot.end() :]
            case 3:
                found = list(re.finditer(r"\w+", text))
                if found:
                    spot = rng.choice(found)
                    text = text[: spot.start()] + rng.choice(TEXTS) + text[spot.end() :]
            case 4:
                text = "".join(lines[:at] + lines[at + 1 :])
            case 5:
                text = "".join(lines[: at + 1] + lines[at:])
            case 6:
                deep = rng.choice((50, 500, 5000, 100_000))
                spot = rng.randrange(len(text) + 1)
                text = text[:spot] + rng.choice("[{(-*&!'\"#") * deep + text[spot:]
            case 7:
                spot = rng.randrange(len(text) + 1)
                text = text[:spot] + rng.choice(",:;\t\n[]{}\"'|>%@`\\ ") + text[spot:]
    encoding = rng.choice(("utf-8",) * 8 + ("utf-16", "latin-1", "utf-8-sig"))
    return text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")


def restructured(rng, value):
    """JSON in which one to three values became others, went, were doubled or were wrapped; as bytes."""
    for _ in range(rng.randint(1, 3)):
        value = _restructured(rng, value)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.7)
    return text.encode("utf-8", "surrogatepass")


def _restructured(rng, value):
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        match rng.randrange(8):
            case 0:
                return {name: part for name, part in value.items() if name != key}
            case 1:
                return value | {rng.choice(TEXTS): value[key]}
        return value | {key: _restructured(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        match rng.randrange(8):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value[: at + 1] + value[at:]
        return [*value[:at], _restructured(rng, value[at]), *value[at + 1 :]]
    match rng.randrange(6):
        case 0:
            return [value]
        case 1:
            return {"segment": value}
        case 2 if isinstance(value, int | float) and abs(value) < 1e300:  # beyond, Python has no quotient
            return rng.choice((-value, value * 1e300, value / 3, str(value)))
    return rng.choice(VALUES)
