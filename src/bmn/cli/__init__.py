"""``bmn``: one command with subcommands, and the only place that parses arguments.

A subcommand's module declares its arguments and defers all other imports until it is called, to keep ``--help`` fast.
"""

from importlib import import_module
from typing import Any

import click

from bmn import __version__
from bmn.base.errors import BmnError
from bmn.launch.command import command

SECTIONS = {
    "Parameters and data": ("doctor", "use", "set", "data-report", "overfit"),
    "Models": ("propose", "predict", "serve", "evaluate", "export", "pretrained"),
    "Runs": ("ui", "compare", "report", "promote", "rollback", "seeds", "tune", "send", "gc"),
}


class Commands(click.Group):
    """The subcommands by section; each is the ``main`` of the module with its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the subcommands."""
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in self.list_commands(ctx):
            return None
        found: click.Command = import_module(f"bmn.cli.{cmd_name.replace('-', '_')}").main
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands of each section, one per line."""
        for title, names in SECTIONS.items():
            with formatter.section(title):
                helps = (str((self.get_command(ctx, name) or self).help).splitlines()[0] for name in names)
                formatter.write_dl(list(zip(names, helps, strict=True)))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand like every other command of ours."""
        command(self._run)(ctx)

    def _run(self, ctx: click.Context) -> None:
        try:
            super().invoke(ctx)
        except ModuleNotFoundError as error:
            if str(error.name).startswith("bmn"):
                raise
            raise BmnError(f"{error.name} is not installed; install bmn with its extra [all]") from error


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"max_content_width": 120, "show_default": True},
)
@click.version_option(__version__)
@click.pass_context
def main(context: click.Context) -> None:
    """Temporal action proposals with the Boundary-Matching Network.

    `dvc repro` runs the pipeline's stages. `bmn COMMAND --help` explains a command.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
