"""``bmn send``: what MLflow could not be told."""

import click


@click.command()
def main() -> None:
    """Send MLflow what trainings could not tell it while it was away."""
    from bmn.tracking.outbox import send_all

    for run in send_all():
        print(f"run {run}: sent")
    print("nothing is left to send")
