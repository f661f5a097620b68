"""``bmn serve``: a model that answers requests."""

import click


@click.command()
@click.option("--model", help="MLflow's address of a model; by default the champion of the data in use.")
@click.option("--host", default="127.0.0.1", help="Address to listen at; 0.0.0.0 for all of this machine.")
@click.option("--port", type=int, default=5001, help="Port to listen at.")
@click.option(
    "--grace", type=click.FloatRange(min=0), default=5, help="Seconds to answer in what has come when stopped."
)
def main(model: str | None, host: str, port: int, grace: float) -> None:
    """Answer requests with a model of MLflow's, until Ctrl-C or SIGTERM.

    At /invocations it takes the JSON that `mlflow models serve` takes; a curl line to try is printed.
    """
    from bmn.tracking.serving import serve

    serve(model, host, port, grace)
