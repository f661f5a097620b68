"""Where MLflow's UI compares the runs."""

import argparse

import mlflow

from bmn.base.params import load_params
from bmn.launch.command import command
from bmn.tracking.store import VIEW, connect


def view_url(server: str, experiment: str) -> str:
    """The address of the comparison of an experiment's runs in the UI of a server."""
    connect(experiment)
    number = mlflow.get_experiment_by_name(experiment).experiment_id
    return f"{server}/#/experiments/{number}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"


@command
def main() -> None:
    """Print where MLflow's UI on this machine compares the runs."""
    parser = argparse.ArgumentParser(prog="bmn.cli.ui", description=main.__doc__)
    parser.add_argument("port", type=int)
    print(view_url(f"http://localhost:{parser.parse_args().port}", load_params().tracking.experiment))


if __name__ == "__main__":
    main()
