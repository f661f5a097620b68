"""Videos in which something happens: a class lights up its own channel, and one of them only after a cue."""

import numpy as np

from bmn.acquire.raw import Raw
from bmn.conversion.convert import Choices, convert
from bmn.data.subset import open_subset

CLASSES = ("fall", "jump", "wave")
CHANNELS, TSCALE = 8, 20


def make(folder, length="resize", videos=40, labels=CLASSES, both=False):
    """Training and validation subsets; ``both``: every segment has a second label, "seen"."""
    rng = np.random.default_rng(0)
    (folder / "raw").mkdir(parents=True)
    lines = ["video,start,end,label,subset,duration"]
    for number in range(videos):
        snippets = 50 if length == "window" else 30
        features = rng.normal(0, 0.3, size=(snippets, CHANNELS))
        for half in range(2):
            kind = int(rng.integers(len(labels)))
            start = half * snippets // 2 + int(rng.integers(3, 6))
            end = start + int(rng.integers(4, 9))
            features[start:end, kind % 2] += 2  # the third looks like the first …
            if kind == 2:
                features[start - 2 : start, 3] += 2  # … but for what came before
            subset = "validation" if number % 4 == 0 else "training"
            for label in (labels[kind], "seen") if both else (labels[kind],):
                lines.append(f"clip{number:02d},{start},{end},{label},{subset},{snippets}")
        np.save(folder / f"raw/clip{number:02d}.npy", features.astype(np.float32))
    (folder / "segments.csv").write_text("\n".join(lines))
    raw = Raw(folder / "raw", folder / "segments.csv")
    convert(raw, folder / "processed", Choices(CHANNELS, TSCALE, length=length), folder / "work")
    return tuple(open_subset(folder / "processed", name) for name in ("training", "validation"))


def proposals(subset, seed=1):
    """Segments that are nearly right, and as many that hit something only by chance."""
    rng, found = np.random.default_rng(seed), {}
    for video in subset.videos.values():
        true = np.array(sorted({(one.start, one.end) for one in video.segments}))
        near = np.clip(true + rng.uniform(-0.5, 0.5, true.shape), 0, video.duration)
        chance = np.sort(rng.uniform(0, video.duration, (2 * len(true), 2)), axis=1)
        chance[:, 1] += 0.1
        rows = np.concatenate([near, np.clip(chance, 0, video.duration)])
        found[video.id] = np.column_stack([rows, np.linspace(1, 0.1, len(rows))])
    return found
