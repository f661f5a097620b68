"""``bmn predict``: proposals for feature files."""

from pathlib import Path

import click

FORMS = ("json", "csv", "png")


@click.command()
@click.argument("inputs", nargs=-1, required=True)
@click.option(
    "--model",
    type=Path,
    default="outputs/export",
    help="Program (.pdmodel, .json, .onnx) or its folder.",
)
@click.option("--output", type=Path, default="outputs/predict", help="Folder of the results.")
@click.option(
    "--format",
    "forms",
    type=click.Choice(FORMS),
    multiple=True,
    default=["json"],
    help="Form of the results, may be given several times; png: a timeline a file.",
)
@click.option(
    "--duration", type=float, help="Seconds that a video lasts which no list names; without it segments are fractions."
)
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", help="What computes.")
@click.option("--use-tensorrt", is_flag=True, help="Let TensorRT run what it can; on a GPU.")
@click.option("--batch-size", type=click.IntRange(min=1), default=16, help="Files computed together.")
@click.option("--params", type=Path, help="Take proposals.* and execution.* from this params.yaml.")
@click.option("--jobs", type=click.IntRange(min=1), help="Jobs at once, instead of execution.jobs; one: no jobs.")
@click.option("--strict", is_flag=True, help="Stop at a file that cannot be read, rather than skip it.")
@click.option("--quiet", is_flag=True, help="Print no proposals.")
def main(
    inputs: tuple[str, ...],
    model: Path,
    output: Path,
    forms: tuple[str, ...],
    duration: float | None,
    device: str,
    use_tensorrt: bool,
    batch_size: int,
    params: Path | None,
    jobs: int | None,
    strict: bool,
    quiet: bool,
) -> None:
    """Predict proposals for feature files.

    The best of each file are printed, all are saved. INPUTS are feature files (.npy, .npz, .csv), folders, globs, and
    lists with {"feat_path": "a.npy", "duration_second": 12.5} a line. A prediction that was stopped goes on where
    it was.
    """
    from bmn.base.params import ExecutionParams, load_params
    from bmn.predict.files import by_jobs, checksum, here, predict_files
    from bmn.predict.inputs import find_items
    from bmn.predict.outputs import save_csv, save_json
    from bmn.predict.predictor import Predictor, settings_of
    from bmn.runtimes.programs import find_program

    savers = {"json": save_json, "csv": save_csv}
    if "png" in forms:
        from bmn.report.predictions import save_timelines  # with matplotlib, which the other forms do without

        savers["png"] = save_timelines
    items = find_items(inputs, duration)
    chosen = {form: savers[form] for form in forms}
    settings, program = settings_of(params), find_program(model)
    origin = {"model": checksum(program), "proposals": settings.model_dump()}
    execution = load_params(params).execution if params else ExecutionParams()
    execution = execution.model_copy(update={"jobs": jobs or execution.jobs})
    if execution.engine == "processes" and execution.jobs in (None, 1):
        predictor = Predictor(program, settings, device, use_tensorrt)
        predict_files(items, here(predictor), origin, output, chosen, batch_size, strict, quiet)
        return
    from bmn.execution.engines import open_engine

    with open_engine(execution, "auto" if device == "gpu" else "cpu") as engine:
        choices = {
            "model": str(program), "settings": settings.model_dump(), "device": device, "use_tensorrt": use_tensorrt
        }  # fmt: skip
        predict_files(items, by_jobs(engine, choices), origin, output, chosen, batch_size, strict, quiet)
