"""A training's progress: a bar in a terminal, occasional plain lines elsewhere, and a line per epoch."""

import sys
import time

from tqdm import tqdm

from bmn.training.loop import Position

INTERVAL = 15.0  # seconds between plain lines
SHOWN = ("train/loss", "val/loss", "val/AR@1", "val/AR@5", "val/AR@10", "val/AR@100", "val/AUC")


class Progress:
    """Prints a training's progress; a context manager that closes its bar."""

    def __init__(self, iterations: int, done: int, epochs: int) -> None:
        self.epochs = epochs
        self.iterations = iterations
        terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=iterations,
            initial=done,
            unit="batch",
            disable=not terminal,
            dynamic_ncols=True,
        )
        self.plain = not terminal
        self.started = self.printed = time.monotonic()
        self.first = done

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def iteration(self, position: Position, metrics: dict[str, float]) -> None:
        """An iteration is done."""
        epoch, iteration = position.epoch, position.iteration
        speed = f"{metrics['train/videos_per_second']:.1f} videos/s"
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}")
        self.bar.set_postfix_str(f"loss {metrics['train/loss']:.3f}, {speed}")
        self.bar.update()
        now = time.monotonic()
        if self.plain and now - self.printed >= INTERVAL:
            self.printed = now
            per_batch = (now - self.started) / (iteration - self.first)
            left = time.strftime("%H:%M:%S", time.gmtime((self.iterations - iteration) * per_batch))
            print(
                f"epoch {epoch + 1}/{self.epochs}  batch {iteration}/{self.iterations}  "
                f"loss {metrics['train/loss']:.3f}  {speed}  {left} left",
                flush=True,
            )

    def epoch(self, row: dict[str, float]) -> None:
        """An epoch is done."""
        shown = "  ".join(f"{name.removeprefix('val/')} {row[name]:.2f}" for name in SHOWN if name in row)
        tqdm.write(f"epoch {row['epoch']:.0f}/{self.epochs} done  {shown}")
        sys.stdout.flush()
