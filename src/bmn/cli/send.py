"""``bmn send``: deliver what is left in the outbox."""

import click


@click.command()
def main() -> None:
    """Send MLflow what training runs could not send while it was down."""
    from bmn.tracking.outbox import send_all

    for run in send_all():
        print(f"run {run}: sent")
    print("nothing left to send")
