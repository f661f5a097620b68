"""``bmn report``: what a change does to the results."""

import click


@click.command()
@click.argument("revision", default="main")
def main(revision: str) -> None:
    """Compare the results here with those of a revision, as Markdown.

    Prints metrics and parameters that differ from REVISION, and both curves of AR over AN. The results of the revision
    are read from DVC's cache.
    """
    from bmn.report.changes import changes

    print(changes(revision))
