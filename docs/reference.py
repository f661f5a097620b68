"""The pages of the site that are made from the code: parameters, commands, published recipes; as a hook of MkDocs."""

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
    for name, content in {"params": params_page(), "commands": commands_page(), "recipes": recipes_page()}.items():
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


def recipes_page() -> str:
    """A row for every published recipe: what it needs, what to expect of it, and what is not the same here."""
    from bmn.recipes.presets import preset_params
    from bmn.recipes.published import PUBLISHED

    lines = ["# Table of published recipes", "", "How to use them: [Published recipes](../recipes.md).", ""]
    lines += ["| preset | data | features | T × D, training | expected, and by whom | not the same here |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for name, recipe in PUBLISHED.items():
        params = preset_params(name)
        model, train, decay = params.model, params.train, params.train.decay_epoch
        when = f"iteration {train.decay_iteration}" if decay is None else f"epoch {decay}"
        sizes = (
            f"{model.tscale} × {model.dscale}, {params.data.length}; {train.epochs} epochs, batches of "
            f"{train.batch_size}, learning rate {train.learning_rate:g}, a tenth from {when}"
        )
        cells = (f"`{name}`", recipe.data, recipe.features, sizes, f"{recipe.expected} ({recipe.source})")
        lines.append(f"| {' | '.join(map(_cell, (*cells, '; '.join(recipe.differs) or '–')))} |")
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
