"""Which engine runs the jobs: ``execution`` of the parameters says."""

from bmn.base.errors import BmnError
from bmn.base.schema import ExecutionParams
from bmn.execution.jobs import Engine


def open_engine(choices: ExecutionParams) -> Engine:
    """The engine that ``execution`` names.

    Of ``devices`` it counts for a cluster whether they are GPUs.

    Raises:
        BmnError: Ray is not installed, there is no cluster at the address, it is of another version, or no node has
            room for a job.
    """
    if choices.engine == "processes":
        from bmn.execution.processes import Processes

        return Processes(choices.jobs, choices.cpus, choices.devices)
    try:
        from bmn.execution.ray import Cluster
    except ModuleNotFoundError as error:
        raise BmnError(
            "params.yaml: execution.engine is ray, which is not installed; install requirements-ray.txt (or bmn with "
            "its extra [ray]), or set processes"
        ) from error
    return Cluster(choices.address, choices.jobs, choices.cpus, choices.devices)
