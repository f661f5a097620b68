"""What a training is called: after all that shapes it, so that nothing resumes from another training's checkpoint."""

from pathlib import Path

from bmn.base.checksums import sha256
from bmn.base.params import Params
from bmn.data.subset import Subset
from bmn.provenance import identity

NOT_SHAPING = {"devices", "checkpoint_minutes"}  # see bmn.provenance.NEUTRAL_PARAMETERS


def shaping(params: Params) -> dict[str, object]:
    """The parameters that shape a training, in their groups; its initial weights count by their content."""
    return params.model_dump(include={"model", "train"}, exclude={"train": NOT_SHAPING | {"init_from"}})


def name_of_training(params: Params, training: Subset, validation: Subset, root: Path) -> str:
    """16 hexadecimal digits: other code, parameters, data or initial weights, another name.

    Args:
        root: that ``train.init_from`` is relative to.

    Raises:
        BmnError: the initial weights cannot be read.
    """
    initial = [sha256(root / params.train.init_from)] if params.train.init_from else []
    data = [training.digest, validation.digest, *initial]
    return identity(Path(__file__).with_name("train.py"), shaping(params), data)
