"""The network: a training step, its memory, a forward pass, construction, other sizes."""

import statistics
from collections.abc import Iterator
from functools import partial

import paddle

from benchmarks import memory, published
from benchmarks.bench import SHARE_OF_MEMORY, Bench, same_maps
from benchmarks.child import child
from benchmarks.forms import FORMS, features, forward_of, make_network, training_step
from benchmarks.table import Row, amount, compared, seconds
from benchmarks.timing import Call, compare, compare_in_turns, seconds_in_turns


def step(bench: Bench) -> Iterator[Row]:
    """Both sides with our settings."""
    steps = {form: training_step(bench.network, form, bench.size.batch) for form in FORMS}
    comparison = compare_in_turns(steps, bench.size.rounds, bench.wait)
    yield compared(
        "training step",
        seconds,
        comparison,
        f"batch {bench.size.batch}; same settings, losses and optimizer",
    )


def out_of_the_box(bench: Bench) -> Iterator[Row]:
    """Ours with its settings, the published form with Paddle's defaults, in two processes."""
    batch = bench.size.batch
    rounds = 1 + max(1, bench.size.rounds // 2)  # the first warms up
    with (
        child(bench.order("ours", batch)) as ours,
        child(bench.order("published", batch, plain=True)) as theirs,
    ):
        taken = [(ours.step().seconds, theirs.step().seconds) for _ in range(rounds)][1:]
    yield compared(
        "training step, published form with Paddle's default settings",
        seconds,
        compare(*zip(*taken, strict=True)),
        f"batch {batch}; two processes, alternating",
    )


def forward(bench: Bench) -> Iterator[Row]:
    """Without gradients."""
    network, batch = bench.network, bench.size.batch
    x = features(network, batch)
    forwards = {form: forward_of(form, network) for form in FORMS}
    calls: dict[str, Call] = {form: partial(forwards[form], x) for form in FORMS}
    with paddle.no_grad():
        ours, theirs = ([out.numpy() for out in forwards[form](x)] for form in FORMS)
        same_maps("forward", ours, theirs)
        comparison = compare_in_turns(calls, bench.size.rounds, bench.wait)
    yield compared("forward", seconds, comparison, f"batch {batch}")


def step_memory(bench: Bench) -> Iterator[Row]:
    """Peak memory of three steps in a fresh process, above what it held before."""
    batch = bench.size.memory_batch
    added = []
    for form in FORMS:
        with child(bench.order(form, batch)) as process:
            added.append([process.step().added for _ in range(3)][-1])
    yield compared(
        f"peak memory added by a step, batch {batch}",
        amount,
        compare(*([value] for value in added)),
        "resident memory after three steps in a fresh process, above that before",
    )


def construction(bench: Bench) -> Iterator[Row]:
    """Ours computes a plan, the published form its matrix bin by bin; the layers are the same."""
    model = bench.size.model
    sizes = (
        model.tscale,
        model.dscale,
        model.num_sample,
        model.num_sample_perbin,
        model.prop_boundary_ratio,
    )
    # With two snippets there is nothing to plan, which leaves the layers.
    layers = model.model_copy(update={"tscale": 2, "dscale": 1})

    def theirs() -> None:
        make_network(layers)
        paddle.to_tensor(published.matrix_by_bins(*sizes))

    calls: dict[str, Call] = {"ours": lambda: make_network(model), "published": theirs}
    comparison = compare_in_turns(calls, bench.size.rounds, bench.wait)
    yield compared("network construction", seconds, comparison)


def long_sequence(bench: Bench) -> Iterator[Row]:
    """Only ours: the published form's matrix and samples would need tens of GiB at T = D = 400."""
    side = bench.size.long
    model = bench.size.model.model_copy(update={"tscale": side, "dscale": side})
    with child(bench.order("ours", 1, model)) as process:
        report = [process.step() for _ in range(2)][-1]
    yield Row(
        f"T = D = {side}, batch 1, forward + backward",
        f"{amount(report.whole)}, {seconds(report.seconds)}",
        how=f"peak of the whole process; a step adds {amount(report.added)}; "
        f"the published form would add about {amount(memory.expected('published', model, 1))}",
    )


def scaling(bench: Bench) -> Iterator[Row]:
    """Training steps at other sizes, if they fit in memory."""
    rounds = max(1, bench.size.rounds // 2)
    for side in bench.size.scaling:
        model = bench.size.model.model_copy(update={"tscale": side, "dscale": side})
        network = make_network(model)
        for batch in bench.size.batches:
            memory.release()
            limit = SHARE_OF_MEMORY * memory.available(bench.device)
            needed = {form: memory.expected(form, model, batch) for form in FORMS}
            calls = {form: training_step(network, form, batch) for form in FORMS if needed[form] < limit}
            taken = seconds_in_turns(calls, rounds, bench.wait) if calls else {}
            what = f"training step, T = D = {side}, batch {batch}"
            if len(taken) == len(FORMS):
                yield compared(what, seconds, compare(**taken))
            else:
                ours = seconds(statistics.median(taken["ours"])) if taken else "–"
                skipped = " and ".join(f"{form} {amount(needed[form])}" for form in FORMS if form not in taken)
                how = f"skipped: expected to need {skipped}, above the limit of {amount(limit)}"
                yield Row(what, ours, how=how)
