"""Stage 2: check the raw data and bring it to the canonical form in ``data/processed``."""

from layout import CONVERSION, PROCESSED, RAW

from bmn.acquire.raw import open_raw
from bmn.base.command import command
from bmn.base.params import load_params
from bmn.conversion.annotations import table
from bmn.conversion.convert import Choices, convert


@command
def main() -> None:
    """Convert annotations and features."""
    params = load_params()
    choices = Choices(
        channels=params.model.feat_dim,
        tscale=params.model.tscale,
        strict=params.data.strict,
        length=params.data.length,
        overlap=params.data.overlap,
        snippet_seconds=params.data.snippet_seconds,
    )
    counts, findings = convert(open_raw(RAW), PROCESSED, choices, CONVERSION)
    if findings:
        print(table(findings))
    print(f"{PROCESSED}: {', '.join(f'{count} {name} videos' for name, count in counts.items())}")


if __name__ == "__main__":
    main()
