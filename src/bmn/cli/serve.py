"""``bmn serve``: serve a model over HTTP."""

import click


@click.command()
@click.option("--model", help="MLflow model URI; by default the champion of the current data.")
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all interfaces.")
@click.option("--port", type=int, default=5001, help="Port to listen on.")
@click.option("--grace", type=click.FloatRange(min=0), default=5, help="Seconds to finish open requests when stopped.")
def main(model: str | None, host: str, port: int, grace: float) -> None:
    """Serve a model from MLflow over HTTP, until Ctrl-C or SIGTERM.

    /invocations accepts the same requests as `mlflow models serve`. Prints a curl command to try it.
    """
    from bmn.tracking.serving import serve

    serve(model, host, port, grace)
