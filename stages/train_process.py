"""One process of a training: the only one, or one of those started by ``paddle.distributed.launch``."""

import pandas as pd
from layout import CHECKPOINTS, LOGS, PROCESSED, PROJECT, TRAIN

from bmn import tracking
from bmn.base.files import atomic_file, write_json
from bmn.base.params import check_unchanged, load_params
from bmn.base.schema import Params
from bmn.classify.classifier import FILE, SegmentClassifier, write_classifier
from bmn.classify.labels import check_labels
from bmn.classify.subset import learn
from bmn.data.subset import Subset, open_subset
from bmn.launch.command import command
from bmn.launch.signals import StopRequest
from bmn.model.weights import load_network, write_weights
from bmn.report.progress import Progress
from bmn.tracking.outbox import Outbox
from bmn.training.distributed import join
from bmn.training.loop import Position, Trained
from bmn.training.train import Training


@command
def main() -> None:
    """Train with this process's share of every batch; the first process writes and logs."""
    params = load_params()
    with StopRequest() as stop:
        world = join(params.execution.devices)
        training, validation = open_subset(PROCESSED, "training"), open_subset(PROCESSED, "validation")
        notes = check_labels(training.videos.values(), validation.videos.values()) if params.classify.enabled else []
        with Training(params, training, validation, PROJECT / CHECKPOINTS, PROJECT, world) as session:
            if world.rank > 0:
                session.run(stop=stop.came)
                return
            print(*notes, sep="\n", end="\n" if notes else "")
            if session.position.iteration:
                print(f"resuming from iteration {session.position.iteration}")
            with tracking.training_run(params, session.folder / "run.json", (training, validation)) as run:
                write_json(LOGS / "run.json", {"run_id": run.run_id})  # for the supervisor
                with Report(params, session.position, training, run) as report:
                    trained = session.run(report, stop.came)
                best = write_outputs(trained, run.run_id)
                write_classifier(TRAIN / FILE, learn_labels(params, training))
                run.losses(trained.history)
                for name, row in (("best", best), ("last", trained.history[-1])):
                    run.checkpoint(TRAIN / f"{name}.pdparams", int(row["iteration"]))
            check_unchanged(params, "model", "train", "classify")  # before what it could end from at once is gone
            session.clear()


class Report(Progress):
    """Shows the progress and sends the metrics to MLflow."""

    def __init__(self, params: Params, position: Position, training: Subset, run: Outbox) -> None:
        iterations = params.train.epochs * (len(training.store) // params.train.batch_size)
        super().__init__(iterations, position.iteration, params.train.epochs)
        self.run = run
        self.log_every = params.tracking.log_every

    def iteration(self, position: Position, metrics: dict[str, float]) -> None:
        super().iteration(position, metrics)
        if position.iteration % self.log_every == 0:
            self.run.metrics(metrics, position.iteration)

    def epoch(self, row: dict[str, float]) -> None:
        super().epoch(row)
        self.run.metrics({name: value for name, value in row.items() if "val/" in name}, int(row["iteration"]))


def learn_labels(params: Params, training: Subset) -> SegmentClassifier | None:
    """The classifier of segments that goes with the best weights."""
    if not params.classify.enabled:
        return None
    return learn(load_network(params.model, TRAIN / "best.pdparams"), training, params.classify)


def write_outputs(trained: Trained, run_id: str) -> dict[str, float]:
    """Write what later stages and DVC read; return the history's row of the best weights."""
    write_weights(trained.best, TRAIN / "best.pdparams")
    write_weights(trained.last, TRAIN / "last.pdparams")
    with atomic_file(TRAIN / "curves.csv") as temporary:
        pd.DataFrame(trained.history).to_csv(temporary, index=False)
    best = max((row for row in trained.history if "val/AUC" in row), key=lambda row: row["val/AUC"])
    write_json(TRAIN / "metrics.json", best)
    write_json(TRAIN / "run.json", {"run_id": run_id})
    return best


if __name__ == "__main__":
    main()
