"""The converted data that many trainings share, identified by content."""

from pathlib import Path

from bmn.base.errors import BmnError
from bmn.data.subset import Subset, open_subset

SUBSETS = ("training", "validation")


class DataChangedError(BmnError):
    """The converted data changed while trainings on them were compared."""


def digest_of_data(data: Path) -> str:
    """Identifies the content of the converted data: training and validation subset.

    Raises:
        BmnError: the data is missing or damaged.
    """
    return "-".join(open_subset(data, name).digest for name in SUBSETS)


def open_data(data: Path, expected: str) -> tuple[Subset, Subset]:
    """The training and the validation subset of a sweep.

    Raises:
        DataChangedError: they changed since the sweep started.
    """
    try:
        training, validation = (open_subset(data, name) for name in SUBSETS)
    except BmnError as error:
        raise DataChangedError(f"{error}; the sweep needs the data it started with") from error
    if f"{training.digest}-{validation.digest}" != expected:
        raise DataChangedError(
            f"{data}: is not the data this sweep started with; to resume, run dvc repro convert with the parameters of "
            f"that time, or start another study: make tune STUDY=<another name>"
        )
    return training, validation
