"""What ``benchmarks.options`` trains on and with; the trainings themselves are those of ``bmn seeds``."""

from pathlib import Path

from benchmarks.options import BASE, gestures, options
from bmn.base.schema import ExecutionParams
from bmn.data.subset import open_subset
from bmn.recipes.presets import preset_params
from bmn.tuning.space import with_values

ROOT = Path(__file__).parents[2]


def test_every_option_is_valid_and_changes_something():
    params = with_values(preset_params("gestures"), BASE, "gestures")
    found = {name: with_values(params, changes, name) for name, changes in options(params).items()}
    assert found.pop("none") == params
    assert all(changed != params for changed in found.values())


def test_the_gestures_are_those_of_the_preset_at_half_the_snippets(tmp_path, monkeypatch):
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    params, folder = gestures(ExecutionParams(jobs=2))
    whole = with_values(preset_params("gestures"), BASE, "gestures")
    assert (params.train, params.proposals, params.execution.jobs) == (whole.train, whole.proposals, 2)
    for name, videos in (("training", 5), ("validation", 2)):
        subset = open_subset(folder, name)
        assert len(subset.videos) == videos
        assert subset.store.array.shape[1:] == (32, 32)  # channels, and T halved
        lengths = [window.end - window.start for window in subset.store.windows]
        assert all(3.1 < length < 3.3 for length in lengths)  # seconds, as with T = 64 at 20 a second
