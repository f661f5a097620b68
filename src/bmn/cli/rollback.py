"""``bmn rollback``: give the champion's place back to the one before it."""

import click


@click.command()
@click.argument("version")
@click.option("--reason", required=True, help="Why; MLflow shows it on the version's page.")
def main(version: str, reason: str) -> None:
    """Give a champion's place back to the one before it.

    VERSION is the champion that has to go; it does not return by itself.
    """
    from bmn.tracking.champions import roll_back
    from bmn.tracking.store import open_store

    open_store()
    print(roll_back(version, reason))
