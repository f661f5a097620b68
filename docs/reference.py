"""The pages of the site that are made from the code: every parameter and every command, as a hook of MkDocs."""

import re
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
_LINE = re.compile(
    r"^(?P<indent> *)(?:(?P<key>[\w.]+):(?P<value>(?: [^#]*?)?))?(?:  +# (?P<inline>.*)|# (?P<own>.*))?$"
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the site's files; MkDocs calls this."""
    for name, content in {"params": params_page(), "commands": commands_page()}.items():
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    return files


def params_page() -> str:
    """Every parameter of ``params.yaml`` with its default and comment, a table per group."""
    lines = ["# Parameters", "", "`params.yaml` of the embedded data set, with the meaning and unit of every value."]
    path: list[str] = []
    notes: list[str] = []
    for line in (ROOT / "params.yaml").read_text().splitlines()[1:]:
        found = _LINE.match(line)
        assert found, f"params.yaml: {line!r} is neither a parameter nor a comment"
        if found["own"]:
            notes.append(found["own"])
        if not found["key"]:
            continue
        path = [*path[: len(found["indent"]) // 2], found["key"]]
        value, note = (found["value"] or "").strip(), " ".join([*notes, found["inline"] or ""]).strip()
        notes = []
        if len(path) == 1:
            lines += ["", f"## {path[0]}", "", f"{note[:1].upper()}{note[1:]}." if note else "", ""]
            lines += ["| parameter | default | |", "| --- | --- | --- |"]
        else:
            shown = f"`{value}`" if value else ""
            lines.append(f"| `{'.'.join(path)}` | {_cell(shown)} | {_cell(note)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def commands_page() -> str:
    """The help of every make target and of every subcommand of ``bmn``."""
    from bmn.cli import main

    targets = re.findall(r"^([a-z-]+):.*?## (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    lines = ["# Commands", "", "## make", "", "| target | |", "| --- | --- |"]
    lines += [f"| `make {name}` | {_cell(text)} |" for name, text in targets]
    for name, help_text in _helps(main, "bmn"):
        lines += ["", f"## {name}", "", "```text", help_text, "```"]
    return "\n".join(lines) + "\n"


def _helps(command: click.Command, name: str, parent: click.Context | None = None) -> list[tuple[str, str]]:
    """The names and help texts of a command and of those under it."""
    context = click.Context(command, parent, name.rpartition(" ")[2])
    context.max_content_width = 100
    found = [(name, command.get_help(context))]
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            below = command.get_command(context, child)
            assert below is not None
            found += _helps(below, f"{name} {child}", context)
    return found
