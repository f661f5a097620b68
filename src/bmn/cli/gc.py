"""``bmn gc``: delete what nobody needs any more."""

import click


@click.command()
@click.option("--delete", "for_good", is_flag=True, help="Delete it; otherwise it is only listed.")
@click.option("--days", type=click.FloatRange(min=0), default=7, help="Keep trainings written to in the last days.")
def main(for_good: bool, days: float) -> None:
    """List files that nobody uses, or delete them.

    These are checkpoints, cached trainings and evaluations, and the files of deleted runs; nothing that a training or
    sweep is using, and no registered model. A deleted training is repeated when it is needed
    again; a deleted run can no longer be restored with its files.
    """
    from bmn.tracking.garbage import of_deleted_runs
    from bmn.training_jobs.garbage import delete, of_trainings

    total = 0
    for found in [*of_trainings(days), *of_deleted_runs()]:
        size = found.size
        if for_good and not delete(found):
            print(f"{found.path}: kept, a training has begun to use it")
            continue
        total += size
        print(f"{size:>15,} bytes  {found.path}  ({found.reason})")
    print(f"{total:>15,} bytes {'deleted' if for_good else 'can be deleted: make gc ARGS=--delete'}")
