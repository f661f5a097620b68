"""``bmn ui``: open MLflow's UI."""

import click


@click.command()
@click.option("--port", type=int, default=5000, help="Port to listen on.")
def main(port: int) -> None:
    """Show the runs in MLflow's UI, until Ctrl-C.

    Prints the address of the run comparison. The first start can take a minute.
    """
    from bmn.base.params import load_params
    from bmn.tracking.ui import start_ui, view_url

    print(view_url(f"http://localhost:{port}", load_params().tracking.experiment), flush=True)
    start_ui(port)
