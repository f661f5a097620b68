"""Stage 4: proposals for every video of a subset, their metrics, and a report."""

from pathlib import Path

import numpy as np
from layout import EVALUATE, PROCESSED, TRAIN
from matplotlib.figure import Figure

from bmn import tracking
from bmn.base.files import atomic_file, read_json
from bmn.base.params import check_unchanged, load_params
from bmn.base.schema import Params
from bmn.classify.classifier import FILE, read_classifier
from bmn.classify.labels import label_counts
from bmn.classify.subset import subset_detections
from bmn.classify.video_scores import check_scores, read_video_scores
from bmn.data.subset import Subset, open_subset
from bmn.launch.command import command
from bmn.metrics import AVERAGE_NUMBERS
from bmn.metrics.assessment import assess
from bmn.metrics.chance import chance_auc
from bmn.metrics.detection import detections
from bmn.model.network import BMN
from bmn.model.weights import load_network
from bmn.proposals import Floats
from bmn.proposals.subset import network_maps, subset_proposals
from bmn.report.evaluation import REPORT, advice, gallery, write_evaluation
from bmn.report.figures import confidence_figure, recall_curves, timelines
from bmn.report.results import write_detections, write_proposals

SHOWN = 6  # videos in the timeline figure, evenly spaced over the subset


@command
def main() -> None:
    """Evaluate the best weights of the training."""
    params = load_params()
    subset = open_subset(PROCESSED, params.evaluate.subset)
    network = load_network(params.model, TRAIN / "best.pdparams")
    settings = params.proposals
    proposals = subset_proposals(network, subset, settings, params.evaluate.batch_size)

    detected = label(params, subset, proposals)
    assessment = assess(subset.ground_truth, proposals, detected)
    training, videos = open_subset(PROCESSED, "training").videos.values(), subset.videos.values()
    metrics = assessment.metrics() | {"chance_AUC": chance_auc(list(training), list(videos), subset.truth())}
    print("  ".join(f"{name} {value:.2f}" for name, value in metrics.items()))
    if metrics["AUC"] <= metrics["chance_AUC"]:
        print("the AUC is not above the chance baseline: nothing was learned; make data-report may show why")
    elif sentence := advice(settings, subset.ground_truth):
        print(sentence)
    run_id = read_json(TRAIN / "run.json")["run_id"]
    shown = gallery(assessment, subset.ground_truth, proposals, lambda name: maps_figure(network, subset, name))
    write_proposals(EVALUATE / "proposals.json", proposals)
    write_detections(EVALUATE / "detections.json", detected or {})
    write_evaluation(EVALUATE, f"Evaluation of the {params.evaluate.subset} subset", assessment, metrics, shown)
    figures = {"ar_an.png": recall_curves(assessment.recall), **draw(network, subset, proposals)}
    for name, figure in figures.items():
        with atomic_file(EVALUATE / "figures" / name) as temporary:
            figure.savefig(temporary, dpi=110)
    tracking.log_evaluation(
        params,
        run_id,
        subset,
        assessment.by_video,
        metrics={f"evaluate/{name}": value for name, value in metrics.items()},
        curves={"evaluate/AR": (AVERAGE_NUMBERS.tolist(), (100 * assessment.recall.average_recall).tolist())},
        files={
            EVALUATE / "proposals.json": "proposals",
            EVALUATE / "detections.json": "proposals",
            EVALUATE / REPORT: "report",
            **{EVALUATE / "figures" / name: "figures" for name in figures},
        },
    )
    check_unchanged(params, "model", "proposals", "evaluate")


def label(params: Params, subset: Subset, proposals: dict[str, Floats]) -> dict[str, dict[str, Floats]] | None:
    """The proposals with labels, by class and video: by the scores of someone else's classifier where params.yaml names
    a file of them, else by our own; None where neither is there."""
    if params.evaluate.classifier:
        path = Path(params.evaluate.classifier)
        scores = read_video_scores(path)
        for note in check_scores(scores, label_counts(subset.ground_truth), path):
            print(note)
        return detections(proposals, scores)
    classifier = read_classifier(TRAIN / FILE)
    return subset_detections(classifier, subset, proposals) if classifier else None


def draw(network: BMN, subset: Subset, proposals: dict[str, Floats]) -> dict[str, Figure]:
    """Timelines of some videos, and the network's outputs for the first one."""
    rows = np.unique(np.linspace(0, len(subset.store) - 1, SHOWN).astype(int))
    ids = list(dict.fromkeys(subset.store.windows[row].video for row in rows))
    return {
        "timelines.png": timelines([subset.videos[name] for name in ids], [proposals[name] for name in ids]),
        "maps.png": maps_figure(network, subset, ids[0]),
    }


def maps_figure(network: BMN, subset: Subset, video: str) -> Figure:
    """The network's outputs for the first window of a video."""
    row = next(row for row, window in enumerate(subset.store.windows) if window.video == video)
    [(_, maps)] = network_maps(network, subset, [np.array([row])])
    confidence_map, start, end = (tensor.numpy()[0] for tensor in maps)
    return confidence_figure(confidence_map, start, end, subset.segments[row], video)


if __name__ == "__main__":
    main()
