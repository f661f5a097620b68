"""``python -m bmn.cli.evaluate``: how good proposals or weights are, apart from the pipeline and MLflow."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bmn.base.errors import BmnError
from bmn.base.files import read_json, whole_file, write_json
from bmn.base.params import load_params
from bmn.conversion.annotations import as_they_stand
from bmn.conversion.dialects import read_annotations
from bmn.data.classifier import read_classifier
from bmn.data.subset import open_subset
from bmn.data.videos import Video, subset_videos
from bmn.launch.command import command
from bmn.metrics import AVERAGE_NUMBERS, TIOU_THRESHOLDS
from bmn.metrics.assessment import Assessment, assess
from bmn.proposals import Floats, results
from bmn.report.evaluation import Shown, render
from bmn.report.figures import timelines

GALLERY = 2  # videos of each kind: best, middling, worst
REPORT = "report.html"


@command
def main() -> None:
    """Evaluate a file of proposals against a ground truth, or weights on the converted data."""
    parser = argparse.ArgumentParser(prog="bmn.cli.evaluate", description=main.__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--proposals", type=Path, help="a result file in ActivityNet's form; needs --ground-truth")
    what.add_argument(
        "--weights", type=Path, help="a .pdparams file, ours or PaddleVideo's, for the model of params.yaml"
    )
    parser.add_argument("--ground-truth", type=Path, help="annotations, taken as they stand")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="converted data, for --weights")
    parser.add_argument("--subset", default="validation")
    parser.add_argument("--classifier", type=Path, help="class scores of the videos, to evaluate detections too")
    parser.add_argument("--output", type=Path, default=Path("outputs/evaluation"))
    given = parser.parse_args()
    classifier = read_classifier(given.classifier) if given.classifier else None
    if given.proposals:
        if given.ground_truth is None:
            raise BmnError("--proposals needs --ground-truth, the annotations to evaluate against")
        entries = as_they_stand(read_annotations(given.ground_truth), given.ground_truth)
        videos = subset_videos(entries, given.subset, given.ground_truth)
        proposals = read_proposals(given.proposals)
    else:
        from bmn.model.weights import load_network
        from bmn.proposals.subset import subset_proposals

        params = load_params()
        subset = open_subset(given.data, given.subset)
        network = load_network(params.model, given.weights)
        settings = params.proposals
        proposals, videos = subset_proposals(network, subset, settings, params.evaluate.batch_size), subset.ground_truth
        write_proposals(given.output / "proposals.json", proposals)
    assessment = assess(videos, proposals, classifier)
    metrics = assessment.metrics()
    shown = gallery(assessment, videos, proposals)
    write_evaluation(given.output, f"{given.proposals or given.weights}", assessment, metrics, shown)
    print("  ".join(f"{name} {value:.2f}" for name, value in metrics.items()))
    print(f"report: {given.output / REPORT}")


def read_proposals(path: Path) -> dict[str, Floats]:
    """Read proposals in ActivityNet's result form: video → ``[proposal, 3]`` (start, end in seconds, score).

    Raises:
        BmnError: the file is not of that form.
    """
    match read_json(path):
        case {"results": dict(found)}:
            pass
        case _:
            raise BmnError(f'{path}: has no "results"; ActivityNet\'s result form is expected')
    proposals = {}
    for video, given in found.items():
        try:
            rows = np.array([[*each["segment"], each["score"]] for each in given], np.float64).reshape(-1, 3)
        except (TypeError, KeyError, ValueError) as error:
            raise BmnError(
                f'{path}: video {video} has other entries than {{"score": …, "segment": [start, end]}}'
            ) from error
        if not np.isfinite(rows).all():
            raise BmnError(f"{path}: video {video} has a score or time that is not a finite number")
        proposals[str(video)] = rows
    return proposals


def write_proposals(path: Path, proposals: Mapping[str, Floats]) -> None:
    """Write proposals in ActivityNet's result form."""
    found = {video.removeprefix("v_"): results(rows) for video, rows in proposals.items()}
    write_json(path, {"version": "VERSION 1.3", "results": found, "external_data": {}}, indent=None)


def write_evaluation(
    folder: Path,
    title: str,
    assessment: Assessment,
    metrics: Mapping[str, float],
    shown: Sequence[Shown],
) -> None:
    """Write ``metrics.json``, the AR-AN curve ``ar_an.csv`` and the report.

    Args:
        title: of the report: what was evaluated.
        metrics: in percent.
        shown: the videos of the report.
    """
    write_json(folder / "metrics.json", dict(metrics))
    with whole_file(folder / "ar_an.csv") as temporary:
        curve = {"AN": AVERAGE_NUMBERS, "AR": 100 * assessment.recall.average_recall}
        pd.DataFrame(curve).to_csv(temporary, index=False)
    with whole_file(folder / REPORT) as temporary:
        temporary.write_text(render(title, assessment, metrics, shown), encoding="utf-8")


def gallery(
    assessment: Assessment,
    videos: Sequence[Video],
    proposals: Mapping[str, Floats],
    maps: Callable[[str], Figure] | None = None,
) -> list[Shown]:
    """The videos whose segments are recalled best, middling and worst.

    Args:
        proposals: video → ``[proposal, 3]``, best first.
        maps: draws the network's outputs for a video, where there is a network.
    """
    by_id = {video.id: video for video in videos}
    recalls = {
        name: float((best[:, None] >= TIOU_THRESHOLDS).mean()) for name, best in assessment.recall.best_tiou.items()
    }
    order = sorted(recalls, key=lambda name: -recalls[name])
    middle = max(0, (len(order) - GALLERY) // 2)
    kinds = {"best": order[:GALLERY], "middling": order[middle : middle + GALLERY], "worst": order[-GALLERY:]}
    shown = {name: kind for kind, names in reversed(kinds.items()) for name in names}  # few videos: once each
    found = []
    for name in sorted(shown, key=order.index):
        rows = next(
            (rows for key, rows in proposals.items() if key.removeprefix("v_") == name.removeprefix("v_")), None
        )
        figures = [timelines([by_id[name]], [np.empty((0, 3)) if rows is None else rows])]
        if maps is not None:
            figures.append(maps(name))
        found.append(Shown(f"{shown[name]}: {name}, AR@100 {100 * recalls[name]:.0f} %", figures))
    return found


if __name__ == "__main__":
    main()
