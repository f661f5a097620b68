"""The commands in README.md and in the pages of the site, and the output they show."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARIABLES = r"(?:[A-Z_]+=\S+ )*"
_LINE = re.compile(rf"{_VARIABLES}(?:make|bmn|dvc|pip|python|mlflow|mkdir)\b")
_SPAN = re.compile(rf"make|{_VARIABLES}(?:make|bmn|dvc|pip|python|mlflow|\.venv/bin/\w+|\.) .+")


def section(title: str) -> str:
    """The text under a heading, up to the next heading of its level or above."""
    pattern = rf"^(?P<level>##?) {re.escape(title)}$(?P<text>.*?)(?=^(?P=level) |^# |\Z)"
    [found] = re.finditer(pattern, TEXT, re.MULTILINE | re.DOTALL)
    return found["text"]


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
    """Every command, once: those in blocks, then those in text and tables."""
    inline = [span for span in spans(TEXT) if _SPAN.fullmatch(span)]
    return list(dict.fromkeys([*block_commands(TEXT), *inline]))


def command(beginning: str) -> str:
    """The command that equals the words, or the only one that begins with them."""
    found = [command for command in commands() if command.startswith(beginning)]
    if beginning in found:
        return beginning
    assert len(found) == 1, f"the pages have {len(found)} commands that begin with '{beginning}': {found}"
    return found[0]
