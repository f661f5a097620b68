"""Stage 5: export the best weights as an inference model, checked against the network."""

from layout import EXPORT, PROCESSED, TRAIN

from bmn import tracking
from bmn.base.files import read_json
from bmn.base.params import check_unchanged, load_params
from bmn.classify.classifier import FILE, read_classifier
from bmn.data.subset import open_subset
from bmn.export.export import describe, export
from bmn.launch.command import command


@command
def main() -> None:
    """Export, check and log the model."""
    params = load_params()
    store = open_subset(PROCESSED, params.evaluate.subset).store
    features = store.read(range(min(params.export.check_videos, len(store))))
    run_id = read_json(TRAIN / "run.json")["run_id"]
    about = {
        "overlap": params.data.overlap if params.data.length == "window" else None,  # of windows; None: resized
        "data": {name: open_subset(PROCESSED, name).digest for name in ("training", "validation")},
        "extractor": read_json(PROCESSED / "extractor.json"),  # null: the features came in files
        "validation": read_json(TRAIN / "metrics.json"),
    }
    classifier = read_classifier(TRAIN / FILE)
    measured = export(params.model, TRAIN / "best.pdparams", EXPORT, features, params.export, about, classifier)
    print(describe(EXPORT, measured))
    duration = store.windows[0].end - store.windows[0].start
    latency_ms = {name: values["latency_ms"] for name, values in measured.items()}
    tracking.log_export(params, run_id, EXPORT, features[0].T, duration, latency_ms)
    check_unchanged(params, "data.length", "data.overlap", "model", "evaluate.subset", "export")


if __name__ == "__main__":
    main()
