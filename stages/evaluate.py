"""Stage 4: proposals for every video of a subset, and how good they are."""

import numpy as np
import pandas as pd
from layout import EVALUATE, PROCESSED, TRAIN

from bmn import tracking
from bmn.commands import command
from bmn.config import load_params
from bmn.data.priors import prior_proposals
from bmn.data.subset import Subset, open_subset
from bmn.evaluation import AVERAGE_NUMBERS, Recall, proposal_recall
from bmn.figures import confidence_figure, recall_curves, timelines
from bmn.files import read_json, whole_file, write_json
from bmn.inference.proposing import network_maps, propose
from bmn.model.network import BMN
from bmn.proposals import Floats, SoftNMS, results
from bmn.weights import load_network

SHOWN = 6  # videos in the figure of timelines, spread evenly over the subset


@command
def main() -> None:
    """Evaluate the best weights of the training."""
    params = load_params()
    subset = open_subset(PROCESSED, params.evaluate.subset)
    network = load_network(params.model, TRAIN / "best.pdparams")

    proposals = propose(network, subset, SoftNMS(**params.proposals.model_dump()), params.evaluate.batch_size)
    recall = proposal_recall(subset.truth(), proposals)
    metrics = recall.headline() | {"priors_AUC": priors_auc(subset)}
    write_outputs(proposals, recall, metrics)
    print("  ".join(f"{name} {value:.2f}" for name, value in metrics.items()))

    figures = {"ar_an.png": recall_curves(recall), **draw(network, subset, proposals)}
    with tracking.reopened_run(params, read_json(TRAIN / "run.json")["run_id"]):
        tracking.log_metrics({f"evaluate/{name}": value for name, value in metrics.items()}, 0)
        tracking.log_curve("evaluate/AR", AVERAGE_NUMBERS.tolist(), (100 * recall.average_recall).tolist())
        tracking.log_file(EVALUATE / "proposals.json", "proposals")
        for name, figure in figures.items():
            with whole_file(EVALUATE / "figures" / name) as temporary:
                figure.savefig(temporary, dpi=110)
            tracking.log_figure(figure, name)


def priors_auc(subset: Subset) -> float:
    """The AUC of proposals that look at no video: what the model has to beat."""
    training = open_subset(PROCESSED, "training").videos.values()
    drawn = prior_proposals(list(training), list(subset.videos.values()), seed=0)
    ranked = {video: np.column_stack([rows, np.arange(len(rows), 0, -1)]) for video, rows in drawn.items()}
    return proposal_recall(subset.truth(), ranked).auc


def write_outputs(proposals: dict[str, Floats], recall: Recall, metrics: dict[str, float]) -> None:
    """What people and DVC read: proposals in ActivityNet's form, headline figures, the AR-AN curve."""
    found = {video.removeprefix("v_"): results(rows) for video, rows in proposals.items()}
    content = {"version": "VERSION 1.3", "results": found, "external_data": {}}
    write_json(EVALUATE / "proposals.json", content, indent=None)
    write_json(EVALUATE / "metrics.json", metrics)
    with whole_file(EVALUATE / "ar_an.csv") as temporary:
        pd.DataFrame({"AN": AVERAGE_NUMBERS, "AR": 100 * recall.average_recall}).to_csv(temporary, index=False)


def draw(network: BMN, subset: Subset, proposals: dict[str, Floats]) -> dict[str, object]:
    """Timelines of some videos, and the network's outputs for the first of them."""
    rows = np.unique(np.linspace(0, len(subset.store) - 1, SHOWN).astype(int))
    ids = list(dict.fromkeys(subset.store.windows[row].video for row in rows))
    [(_, maps)] = network_maps(network, subset, [rows[:1]])
    confidence_map, start, end = (tensor.numpy()[0] for tensor in maps)
    return {
        "timelines.png": timelines([subset.videos[name] for name in ids], [proposals[name] for name in ids]),
        "maps.png": confidence_figure(confidence_map, start, end, subset.segments[rows[0]], ids[0]),
    }


if __name__ == "__main__":
    main()
