"""``make data-report``: what the converted data look like, as a page with figures, and filed in MLflow."""

import numpy as np
from layout import DATA_REPORT, PROCESSED

from bmn import tracking
from bmn.base.files import whole_folder
from bmn.base.params import load_params
from bmn.conversion.annotations import by_kind, read_findings
from bmn.data.subset import open_subset
from bmn.launch.command import command
from bmn.report.facts import channel_facts, price_of_grid, subset_facts
from bmn.report.page import channels_figure, classes_figure, lengths_figure, render, timelines_figure

TIMELINES = 12  # videos, spread evenly over the training subset


@command
def main() -> None:
    """Report on the converted data."""
    params = load_params()
    names = [name for name in ("training", "validation", "testing") if (PROCESSED / f"{name}.json").exists()]
    subsets = {name: open_subset(PROCESSED, name) for name in names}
    training, validation = subsets["training"], subsets["validation"]
    facts = {name: subset_facts(subset) for name, subset in subsets.items()}
    channels = channel_facts(training.store)
    tscale, dscale = params.model.tscale, params.model.dscale
    cut = params.data.length == "window"  # windows are as long as tscale says: another one would need other windows
    tscales = [tscale] if cut else sorted({tscale // 2, tscale, 2 * tscale})
    dscales = sorted({max(1, dscale // 4), max(1, dscale // 2), dscale, *([] if cut else [2 * dscale])})
    grid = price_of_grid(validation, dscales, tscales)

    videos = list(training.videos.values())
    shown = [videos[place] for place in np.unique(np.linspace(0, len(videos) - 1, TIMELINES).astype(int))]
    page, pictures = render(
        "Data report",
        {
            "lengths": lengths_figure(facts),
            "timelines": timelines_figure(shown),
            "classes": classes_figure(facts),
            "channels": channels_figure(channels),
        },
        source=f"features: {params.data.features or params.data.source}; annotations: "
        f"{params.data.annotations or params.data.source}; length: {params.data.length}",
        facts=facts,
        strangers=sorted(facts["validation"].classes.keys() - facts["training"].classes.keys()),
        silent=channels.silent.tolist(),
        tscales=tscales,
        dscales=dscales,
        grid=grid,
        chosen=(tscale, dscale),
        findings=[
            (found[0].action, len(found), found[0].kind, str(found[0]))
            for found in by_kind(read_findings(PROCESSED / "findings.json"))
        ],
    )
    with whole_folder(DATA_REPORT) as folder:
        (folder / "report.html").write_text(page, encoding="utf-8")
        for name, picture in pictures.items():
            (folder / f"{name}.png").write_bytes(picture)
    highest = grid[tscales.index(tscale)][dscales.index(dscale)]
    assert highest is not None, "dscale is not above tscale"
    counts = {
        f"{name}/{what}": value
        for name, fact in facts.items()
        for what, value in (("videos", fact.videos), ("segments", fact.segments), ("hours", fact.hours))
    }
    tracking.log_data_report(params, subsets.values(), {**counts, "highest_AR": highest}, DATA_REPORT)
    print(f"{DATA_REPORT / 'report.html'}: the grid of {tscale} x {dscale} allows an AR of {highest:.1f} % at most")


if __name__ == "__main__":
    main()
