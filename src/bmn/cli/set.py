"""``bmn set``: set individual parameters."""

from pathlib import Path

import click


@click.command()
@click.argument("edits", nargs=-1, required=True, metavar="KEY=VALUE...")
def main(edits: tuple[str, ...]) -> None:
    """Set values in params.yaml.

    As in `bmn set train.seed=2 proposals.alpha=0.5`: keys are dotted, values are YAML. Keeps comments and prints the
    diff.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from bmn.recipes.edits import edit

    values = {}
    for words in edits:
        key, equals, value = words.partition("=")
        if not equals:
            raise click.UsageError(f"{words!r} is not of the form key=value")
        try:
            values[key] = YAML(typ="safe").load(value)
        except YAMLError as error:
            raise click.UsageError(f"{words!r}: the value is not YAML") from error
    path = Path("params.yaml")
    print(edit(path, values) or f"{path} is already up to date")
