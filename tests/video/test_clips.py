"""The rendered example: videos that can be decoded, and segments that lie in them."""

import csv

from bmn.video.clips import make_clips
from bmn.video.decode import measure


def test_clips_have_segments_and_the_same_seed_gives_the_same_ones(tmp_path):
    make_clips(tmp_path / "one", seed=5, training=1, validation=1)
    make_clips(tmp_path / "two", seed=5, training=1, validation=0)
    with open(tmp_path / "one/segments.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["video"] for row in rows} == {"training_000", "validation_000"}
    for row in rows:
        duration = measure(tmp_path / f"one/{row['video']}.mp4").duration
        assert 0 < float(row["start"]) < float(row["end"]) < duration
        assert row["video"].startswith(row["subset"])
    assert len({(tmp_path / f"{folder}/training_000.mp4").read_bytes() for folder in ("one", "two")}) == 1
