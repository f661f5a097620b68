"""``bmn doctor``: what this machine offers a training, and what to mend."""

from pathlib import Path

import click


@click.command()
@click.option("--params", type=Path, default="params.yaml", help="Model sizes, recipe and devices.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def main(params: Path, as_json: bool) -> None:
    """Tell what training runs on here, and what to mend.

    Versions, devices, memory, what `execution.devices` does here, how much a training step takes. Exits with 1 if
    training could not start.
    """
    import json
    import sys
    from dataclasses import asdict

    from bmn.base.params import load_params
    from bmn.report.machine import describe, examine

    found = examine(load_params(params))
    print(json.dumps(asdict(found), indent=2) if as_json else describe(found))
    if found.stops:
        sys.exit(1)
