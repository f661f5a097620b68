"""``bmn evaluate``: evaluate proposals or weights outside the pipeline and MLflow."""

import json
from pathlib import Path

import click


@click.command()
@click.option("--proposals", type=Path, help="Result file in ActivityNet's format; needs --ground-truth.")
@click.option("--ground-truth", type=Path, help="Annotations, used as they are.")
@click.option("--weights", type=Path, help="Weights (.pdparams) for the model and data in params.yaml.")
@click.option("--data", type=Path, default="data/processed", help="Converted data, for --weights.")
@click.option("--subset", default="validation", help="Subset to evaluate.")
@click.option("--classifier", type=Path, help="Class scores of the videos, to evaluate detections as well.")
@click.option("--output", type=Path, default="outputs/evaluation", help="Folder for the report.")
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def main(
    proposals: Path | None,
    ground_truth: Path | None,
    weights: Path | None,
    data: Path,
    subset: str,
    classifier: Path | None,
    output: Path,
    as_json: bool,
) -> None:
    """Evaluate proposals or weights: AR@AN, AUC, a report page.

    Metrics are in percent. Give either --proposals with --ground-truth, or --weights.
    """
    if (proposals is None) == (weights is None) or (proposals is None) != (ground_truth is None):
        raise click.UsageError("expected either --proposals with --ground-truth, or --weights")
    from bmn.base.params import load_params
    from bmn.classify.labels import label_counts
    from bmn.classify.video_scores import check_scores, read_video_scores
    from bmn.conversion.annotations import as_they_stand
    from bmn.conversion.dialects import read_annotations
    from bmn.data.subset import open_subset
    from bmn.data.videos import subset_videos
    from bmn.metrics.assessment import assess
    from bmn.metrics.detection import detections
    from bmn.report.evaluation import REPORT, gallery, write_evaluation
    from bmn.report.results import read_proposals, write_proposals

    scores = read_video_scores(classifier) if classifier else None
    if proposals and ground_truth:
        entries = as_they_stand(read_annotations(ground_truth), ground_truth)
        videos = subset_videos(entries, subset, ground_truth)
        found = read_proposals(proposals)
    elif weights:
        from bmn.model.weights import load_network
        from bmn.proposals.subset import subset_proposals

        params, opened = load_params(), open_subset(data, subset)
        network = load_network(params.model, weights)
        found = subset_proposals(network, opened, params.proposals, params.evaluate.batch_size)
        videos = opened.ground_truth
        write_proposals(output / "proposals.json", found)
    known = {video.id for video in videos}
    own = {name: rows for name, rows in found.items() if name in known}
    if classifier and scores:
        for note in check_scores(scores, label_counts(videos), classifier):
            click.echo(note, err=True)
    assessment = assess(videos, found, detections(own, scores) if scores else None)
    metrics = assessment.metrics()
    shown = gallery(assessment, videos, found)
    write_evaluation(output, f"{proposals or weights}", assessment, metrics, shown)
    if as_json:
        print(json.dumps(metrics))
    else:
        print("  ".join(f"{name} {value:.2f}" for name, value in metrics.items()))
        print(f"report: {output / REPORT}")
