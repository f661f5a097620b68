"""Stage 2: check the raw data and bring it to the canonical form in ``data/processed``."""

from layout import PROCESSED, RAW

from bmn.commands import command
from bmn.config import load_params
from bmn.data.convert import convert
from bmn.data.raw import open_raw


@command
def main() -> None:
    """Convert annotations and features."""
    params = load_params()
    counts = convert(
        open_raw(RAW),
        PROCESSED,
        channels=params.model.feat_dim,
        tscale=params.model.tscale,
        strict=params.data.strict,
    )
    print(f"{PROCESSED}: {', '.join(f'{count} {name} videos' for name, count in counts.items())}")


if __name__ == "__main__":
    main()
