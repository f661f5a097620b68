"""The commands in README.md and the output it shows."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARIABLES = r"(?:[A-Z_]+=\S+ )*"
_LINE = re.compile(rf"{_VARIABLES}(?:make|bmn|dvc|pip|python|mlflow|mkdir)\b")
_SPAN = re.compile(rf"make|{_VARIABLES}(?:make|bmn|dvc|pip|python|mlflow|\.venv/bin/\w+|\.) .+")


def section(title: str) -> str:
    """The text under a second-level heading."""
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", README.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section '{title}'"
    return found[1]


def blocks(text: str, language: str | None = None) -> list[str]:
    """The fenced blocks, of one language or of all."""
    return [block for found, block in _FENCE.findall(text) if language in (None, found)]


def spans(text: str) -> list[str]:
    """Inline code, with line breaks as spaces."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", _FENCE.sub("", text))]


def block_commands(text: str) -> list[str]:
    """The commands in fenced blocks, in order, without comments; a here-document includes its lines."""
    found: list[str] = []
    for block in blocks(text):
        lines = iter(block.splitlines())
        for line in lines:
            if not _LINE.match(line):
                continue
            if end := re.search(r"<<'(\w+)'", line):
                body = [line]
                while body[-1] != end[1]:
                    body.append(next(lines))
                found.append("\n".join(body))
            else:
                found.append(" ".join(line.partition(" #")[0].split()))
    return found


def commands() -> list[str]:
    """Every command in README.md, once: those in blocks, then those in text and tables."""
    text = README.read_text()
    inline = [span for span in spans(text) if _SPAN.fullmatch(span)]
    return list(dict.fromkeys([*block_commands(text), *inline]))


def command(beginning: str) -> str:
    """The command that equals the words, or the only one that begins with them."""
    found = [command for command in commands() if command.startswith(beginning)]
    if beginning in found:
        return beginning
    assert len(found) == 1, f"README.md has {len(found)} commands that begin with '{beginning}'; it should have one"
    return found[0]
