"""``bmn propose``: proposals for videos."""

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
@click.option("--params", type=Path, help="Take proposals.* and execution.* from this params.yaml.")
@click.option("--jobs", type=click.IntRange(min=1), help="Jobs at a time, instead of execution.jobs.")
def main(
    inputs: tuple[str, ...],
    model: Path,
    output: Path | None,
    clips: int,
    backbone: str | None,
    device: str,
    params: Path | None,
    jobs: int | None,
) -> None:
    """Propose segments of videos, with a page of each to watch.

    INPUTS are videos (.mp4, .mkv, .webm, .avi, .mov, .mpg), folders, globs, and text files with the path of a video a
    line. For clip.mp4 there will be clip.html to open in a browser, clip.proposals.json, clip.proposals.csv, and with
    --clips clip.1.mp4 and so on, without sound. What was interrupted resumes.
    """
    from bmn.predict.predictor import execution_of, settings_of
    from bmn.predict.videos import find_video_files
    from bmn.report.watch import propose_videos
    from bmn.runtimes.programs import find_program, told

    paths, program = find_video_files(inputs), find_program(model, device)
    print(told(program), file=sys.stderr)
    execution = execution_of(params, jobs, device)
    propose_videos(paths, execution, program, settings_of(params), device, backbone, output, clips)
