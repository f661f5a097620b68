"""Exported programs."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import memory
from benchmarks.bench import MORE_ROUNDS, SHARE_OF_MEMORY, Bench, same_maps
from benchmarks.forms import features
from benchmarks.programs import export_both
from benchmarks.table import Row, amount, compared, seconds
from benchmarks.timing import Call, compare, seconds_in_turns
from bmn.runtimes.programs import open_program

REST = 0.2  # seconds until onnxruntime's threads sleep


def inference(bench: Bench) -> Iterator[Row]:
    """Exported programs, against the published form's, which contains its matrix; all with the same settings."""
    device = bench.device.partition(":")[0]
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = export_both(bench.size.model, Path(folder))
        files = [file for file in ours if device == "cpu" or file.suffix != ".onnx"]
        programs = {file.name: open_program(file, device) for file in (*files, theirs)}
    x = features(bench.network, 1).numpy()
    same_maps(theirs.name, programs[files[0].name].run(x), programs[theirs.name].run(x))
    for batch in (1, bench.size.throughput_batch):
        x = features(bench.network, batch).numpy()
        calls: dict[str, Call] = {name: partial(program.run, x) for name, program in programs.items()}
        needed = memory.expected_of_published_program(bench.size.model, batch)
        if needed > SHARE_OF_MEMORY * memory.available(bench.device):
            yield Row(f"exported programs, batch {batch}", "–", how=f"skipped: needs about {amount(needed)}")
            continue
        rounds = MORE_ROUNDS * bench.size.rounds if batch == 1 else max(1, bench.size.rounds // 2)
        for call in calls.values():  # the first call of a size allocates memory, and long calls get no warm-up
            call()
        taken = seconds_in_turns(calls, rounds, rest=REST)
        for file in files:
            comparison = compare(taken[file.name], taken[theirs.name])
            relative = compare(taken[file.name], taken[files[0].name])
            yield compared(
                f"{file.name}, " + ("latency" if batch == 1 else f"throughput, batch {batch}"),
                seconds if batch == 1 else partial(_per_second, batch),
                comparison,
                "" if file == files[0] else f"{relative.ratio:.2f} × as fast as {files[0].name}",
            )


def _per_second(batch: int, taken: float) -> str:
    return f"{batch / taken:.3g} videos/s"
