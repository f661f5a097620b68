"""``bmn overfit``: whether the network can learn one batch of the data."""

from pathlib import Path

import click


@click.command()
@click.option("--iterations", type=click.IntRange(min=1), default=100, help="Iterations on the batch.")
@click.option("--data", type=Path, default="data/processed", help="Folder of the converted data.")
def main(iterations: int, data: Path) -> None:
    """Train on one batch, to see whether it can be learned.

    Prints loss and AUC on the videos of that batch. A network that cannot learn even these will not learn the rest:
    then features and annotations do not belong together, or train.* does not suit them.
    """
    from bmn.base.errors import BmnError
    from bmn.base.params import load_params
    from bmn.data.subset import open_subset
    from bmn.training_jobs.overfit import overfit

    def tell(row: dict[str, float]) -> None:
        print(f"iteration {row['iteration']:.0f}/{iterations}  loss {row['train/loss']:.3f}  AUC {row['val/AUC']:.2f}")

    batch, history = overfit(load_params(), open_subset(data, "training"), iterations, tell)
    first, last = history[0]["train/loss"], history[-1]["train/loss"]
    if last >= first:
        raise BmnError(
            f"the loss on {len(batch.videos)} videos did not fall in {iterations} iterations ({first:.3f}, then "
            f"{last:.3f}); make data-report may show why, or lower train.learning_rate"
        )
    print(
        f"the loss on the {len(batch.videos)} videos trained on fell from {first:.3f} to {last:.3f}; "
        f"their AUC is {history[-1]['val/AUC']:.2f}, of 99 at most"
    )
