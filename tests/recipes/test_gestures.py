"""The real data that come with the project: what they hold, and that the recipe's conversion takes them as they are."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bmn.acquire.features import find_features, read_features
from bmn.acquire.raw import Raw
from bmn.base.params import load_params
from bmn.conversion.convert import Choices, convert
from bmn.data.subset import open_subset
from bmn.recipes.presets import preset_params

ROOT = Path(__file__).parents[2]
GESTURES = ROOT / "data/gestures"
JOINTS = ("lh", "rh", "h", "s", "lw", "rw")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    params, folder = preset_params("gestures"), tmp_path_factory.mktemp("gestures")
    raw = Raw(*(ROOT / place for place in (params.data.features, params.data.annotations, params.data.subsets)))
    choices = Choices(params.model.feat_dim, params.model.tscale, length=params.data.length)
    counts, findings = convert(raw, folder / "processed", choices, folder / "work")
    assert counts == {"training": 5, "validation": 2}
    assert {finding.action for finding in findings} <= {"chosen"}
    return {name: open_subset(folder / "processed", name) for name in counts}


def test_they_hold_the_phases_of_the_public_data_set_and_leave_a_person_out(converted):
    labels = Counter(
        segment.label for part in converted.values() for video in part.videos.values() for segment in video.segments
    )
    assert labels == {"preparation": 116, "stroke": 92, "hold": 62, "retraction": 60}
    people = {name: {video[0] for video in part.videos} for name, part in converted.items()}
    assert people == {"training": {"a", "b"}, "validation": {"c"}}


def test_the_recipe_sees_recordings_in_windows_that_hold_nearly_every_segment(converted):
    part = converted["validation"]
    assert len(part.store) > len(part.videos)
    second = np.array([window.end - window.start for window in part.store.windows])
    lengths = [segment.end - segment.start for video in part.videos.values() for segment in video.segments]
    params = preset_params("gestures").model
    longest = second[0] * params.dscale / params.tscale
    assert np.mean(np.array(lengths) <= longest) > 0.95


def test_they_are_small():
    assert sum(path.stat().st_size for path in GESTURES.rglob("*") if path.is_file()) < 600_000


def test_frames_of_uneven_times_become_even_snippets_and_minutes_wrap(tmp_path):
    """A hand that swings once a second, told by frames that stutter, over the end of a minute."""
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.choice([0.031, 0.034, 0.125], p=[0.6, 0.35, 0.05], size=300)) + 57.5
    columns = [f"{joint}{axis}" for joint in JOINTS for axis in "xyz"]
    lines = [",".join([*columns, "timestamp", "phase"])]
    for time in times:
        swing = np.sin(2 * np.pi * time)
        values = [swing if column == "lhx" else 0.01 * rng.normal() for column in columns]
        stamp = f"{2 + int(time // 60)}{round(time % 60 * 1000):05d}"
        phase = "Rest" if time < 60.2 else "Preparação" if time < 60.3 else "Preparation" if time < 61 else "Stroke"
        lines.append(",".join([*map(str, values), stamp, phase]))
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a1_raw.csv").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    subprocess.run([sys.executable, GESTURES / "make.py", tmp_path / "raw", tmp_path / "made"], check=True)

    found = read_features(find_features(tmp_path / "made/features")["a1"], 32)
    middle = times[0] + (np.arange(len(found)) + 0.5) / 20
    assert np.corrcoef(found[:, 0], np.sin(2 * np.pi * middle))[0, 1] > 0.99
    assert np.corrcoef(found[:, 12], np.cos(2 * np.pi * middle))[0, 1] > 0.9
    rows = [line.split(",") for line in (tmp_path / "made/segments.csv").read_text().splitlines()[1:]]
    assert [row[3] for row in rows] == ["preparation", "stroke"]
    [preparation, stroke] = [[float(value) for value in row[1:3]] for row in rows]
    assert preparation == pytest.approx([60.2 - times[0], 61 - times[0]], abs=0.13)
    assert stroke == [preparation[1], len(found) / 20]


def test_the_files_here_are_those_that_the_script_makes_of_such_data():
    """Every recording that is annotated has features of the length that its duration says."""
    rows = [line.split(",") for line in (GESTURES / "segments.csv").read_text().splitlines()[1:]]
    files = find_features(GESTURES / "features")
    assert {row[0] for row in rows} == set(files)
    for video, duration in {(row[0], float(row[4])) for row in rows}:
        assert len(read_features(files[video], 32)) == duration * 20


def test_another_person_can_be_left_out():
    for person in "abc":
        rows = (GESTURES / f"without_{person}.csv").read_text().splitlines()[1:]
        assert {row.split(",")[0][0] for row in rows if row.endswith("validation")} == {person}
    assert load_params(ROOT / "params.yaml").data.source == "synthetic"  # the embedded data stay the default
