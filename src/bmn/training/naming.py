"""The name of a training, derived from all that shapes it, so that none resumes from another's checkpoint."""

from pathlib import Path

from bmn.base.checksums import sha256
from bmn.base.schema import Params
from bmn.data.subset import Subset
from bmn.provenance import identity


def shaping(params: Params) -> dict[str, object]:
    """The parameters that shape a training, in their groups; without its initial weights, which count by content."""
    return params.model_dump(include={"model", "train"}, exclude={"train": {"init_from"}})


def name_of_training(params: Params, training: Subset, validation: Subset, root: Path) -> str:
    """16 hexadecimal digits that change with the code, parameters, data or initial weights.

    Args:
        root: the folder that ``train.init_from`` is relative to.

    Raises:
        BmnError: the initial weights cannot be read.
    """
    initial = [sha256(root / params.train.init_from)] if params.train.init_from else []
    data = [training.digest, validation.digest, *initial]
    return identity(Path(__file__).with_name("train.py"), shaping(params), data)
