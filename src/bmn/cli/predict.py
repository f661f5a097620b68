"""``bmn predict``: predict proposals for feature files."""

import sys
from functools import partial
from pathlib import Path

import click

FORMATS = ("json", "csv", "png")


@click.command()
@click.argument("inputs", nargs=-1, required=True)
@click.option(
    "--model",
    type=Path,
    default="outputs/export",
    help="Program (.pdmodel, .json or .onnx), or the folder whose fastest is taken.",
)
@click.option("--output", type=Path, default="outputs/predict", help="Folder for the results.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    default=["json"],
    help="Output format; repeat for several. png draws one timeline per file.",
)
@click.option(
    "--duration", type=float, help="Duration in seconds of videos not in a list; without it, segments are fractions."
)
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", help="Device to run on.")
@click.option("--use-tensorrt", is_flag=True, help="Let TensorRT run what it can (GPU only).")
@click.option("--batch-size", type=click.IntRange(min=1), default=16, help="Files computed together.")
@click.option("--params", type=Path, help="Take proposals.* and execution.* from this params.yaml.")
@click.option("--jobs", type=click.IntRange(min=1), help="Jobs at a time, instead of execution.jobs.")
@click.option("--labels", is_flag=True, help="Predict labelled detections instead of proposals.")
@click.option("--strict", is_flag=True, help="Stop at an unreadable file instead of skipping it.")
@click.option("--quiet", is_flag=True, help="Do not print proposals.")
def main(
    inputs: tuple[str, ...],
    model: Path,
    output: Path,
    formats: tuple[str, ...],
    duration: float | None,
    device: str,
    use_tensorrt: bool,
    batch_size: int,
    params: Path | None,
    jobs: int | None,
    labels: bool,
    strict: bool,
    quiet: bool,
) -> None:
    """Predict proposals for feature files.

    Prints the best of each file and saves all. INPUTS are feature files (.npy, .npz, .csv), folders, globs, and lists
    with one {"feat_path": "a.npy", "duration_second": 12.5} per line. An interrupted prediction resumes.
    """
    from bmn.execution.lists import run_list
    from bmn.predict.files import origin_of, predict_files, task_of
    from bmn.predict.inputs import find_items
    from bmn.predict.outputs import Save, save_csv, save_json
    from bmn.predict.predictor import execution_of, settings_of
    from bmn.runtimes.programs import find_program, told

    savers: dict[str, Save] = {"json": save_json, "csv": partial(save_csv, labels=labels)}
    if "png" in formats:
        from bmn.report.predictions import save_timelines  # with matplotlib, which the other formats do without

        savers["png"] = save_timelines
    items = find_items(inputs, duration)
    if duration is None and not quiet and any(item.duration == 1 for item in items):
        note = "segments are fractions of their video; --duration, or a list with duration_second, gives seconds"
        print(f"note: {note}", file=sys.stderr)
    settings, program = settings_of(params), find_program(model, device)
    print(told(program), file=sys.stderr)
    origin = origin_of(program, settings, labels)
    task = task_of(items, program, settings, device, use_tensorrt, labels)
    compute = partial(run_list, execution_of(params, jobs, device), task)
    chosen = {name: savers[name] for name in formats}
    predict_files(items, compute, origin, output, chosen, batch_size, strict, quiet)
