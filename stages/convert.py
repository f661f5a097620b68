"""Stage 2: validate the raw data and convert it to the canonical form in ``data/processed``."""

from layout import CHECKSUMS, CONVERSION, DOWNLOADS, INPUTS, PROCESSED, PROJECT, RAW

from bmn.acquire.inputs import identify_inputs
from bmn.acquire.raw import features_folder, open_raw
from bmn.base.checksums import Checksums
from bmn.base.errors import BmnError
from bmn.base.files import read_json
from bmn.base.params import check_unchanged, load_params
from bmn.conversion.annotations import table
from bmn.conversion.convert import Choices, convert
from bmn.launch.command import command


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
        inside=params.data.inside,
        snippet_seconds=params.data.snippet_seconds,
    )
    inputs = read_json(INPUTS)
    raw = open_raw(RAW, features_folder(params.data, inputs, RAW, PROJECT, DOWNLOADS))
    counts, findings = convert(raw, PROCESSED, choices, CONVERSION)
    with Checksums(PROJECT / CHECKSUMS) as known:
        if identify_inputs(params, PROJECT, known)["features"] != inputs["features"]:
            raise BmnError(f"{params.data.features}: changed while the pipeline was running; run dvc repro again")
    check_unchanged(params, "data", "model.feat_dim", "model.tscale")
    if findings:
        print(table(findings))
    print(f"{PROCESSED}: {', '.join(f'{count} {name} videos' for name, count in counts.items())}")


if __name__ == "__main__":
    main()
