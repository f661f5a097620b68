"""``bmn propose``: proposals for videos."""

import os
import sys
from pathlib import Path

import click


@click.command()
@click.argument("inputs", nargs=-1, required=True)
@click.option("--model", type=Path, default="outputs/export", help="Program, or the folder whose fastest is taken.")
@click.option("--output", type=Path, help="Folder of the results; beside each video without it.")
@click.option("--clips", type=click.IntRange(min=0), default=0, help="Cut so many of the best segments of each video.")
@click.option("--backbone", help="Where the backbone's program lies now, if not where it lay in training.")
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", help="What computes.")
@click.option("--params", type=Path, help="Take proposals.* from this params.yaml, not the published values.")
def main(
    inputs: tuple[str, ...],
    model: Path,
    output: Path | None,
    clips: int,
    backbone: str | None,
    device: str,
    params: Path | None,
) -> None:
    """Propose segments of videos, with a page of each to watch.

    INPUTS are videos (.mp4, .mkv, .webm, .avi, .mov, .mpg), folders, globs, and text files with the path of a video a
    line. For clip.mp4 there will be clip.html to open in a browser, clip.proposals.json, clip.proposals.csv, and with
    --clips clip.1.mp4 and so on, without sound.
    """
    from bmn.base.errors import BmnError
    from bmn.predict.predictor import Predictor, settings_of
    from bmn.predict.videos import distinct, extractor_of, find_video_files, save, watch_videos
    from bmn.report.watch import write_page
    from bmn.video.cutting import cut_segment

    paths = find_video_files(inputs)
    predictor = Predictor(model, settings_of(params), device)
    print(predictor, file=sys.stderr)
    broken = 0
    for path, watched in watch_videos(paths, extractor_of(predictor, backbone, device, Path()), predictor):
        if isinstance(watched, BmnError):
            print(f"skipped: {watched}", file=sys.stderr)
            broken += 1
            continue
        folder = output or path.parent
        save(watched, folder / f"{path.stem}.proposals")
        page = folder / f"{path.stem}.html"
        write_page(page, watched, os.path.relpath(path, folder))
        best = distinct(watched.proposals, max(clips, 5))
        for number, proposal in enumerate(best[:clips], 1):
            start, end = proposal["segment"]
            cut_segment(path, start, end, folder / f"{path.stem}.{number}.mp4")
        shown = ", ".join("{:.1f} to {:.1f} s".format(*proposal["segment"]) for proposal in best)
        print(f"{page}: {len(watched.proposals)} proposals in {watched.duration:.1f} s; the best: {shown}", flush=True)
    if broken:
        raise BmnError(f"{broken} of {len(paths)} videos were skipped, for the reasons above; the others are done")
