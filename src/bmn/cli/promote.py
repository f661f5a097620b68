"""``bmn promote``: make a registered model the champion."""

import click


@click.command()
@click.argument("version")
@click.option("--reason", required=True, help="Why; MLflow shows it on the version's page.")
def main(version: str, reason: str) -> None:
    """Make a registered model the champion of its validation data.

    VERSION is its number in MLflow's registry. Better models are promoted without this command.
    """
    from bmn.tracking.champions import promote
    from bmn.tracking.store import open_store

    open_store()
    print(promote(version, reason))
