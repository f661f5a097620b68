"""Raw data in, canonical form out."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bmn.acquire.raw import Raw
from bmn.base.errors import BmnError
from bmn.conversion.convert import Choices, convert
from bmn.data.store import open_store
from bmn.data.subset import open_subset


def video(subset="training", duration=10.0, segments=((1, 2),)):
    annotations = [{"segment": list(segment), "label": "jump"} for segment in segments]
    return {"subset": subset, "duration_second": duration, "annotations": annotations}


@pytest.fixture
def raw(tmp_path):
    """Three videos of 6, 4 and 2 snippets; the value of each feature is the number of its snippet."""
    folder = tmp_path / "features"
    folder.mkdir()
    for name, length in (("v_a", 6), ("v_b", 4), ("v_c", 2)):
        np.save(folder / f"{name}.npy", np.repeat(np.arange(length, dtype="float32")[:, None], 4, axis=1))
    annotate(tmp_path, {"v_a": video(), "v_b": video("validation"), "v_c": video("validation")})
    return Raw(folder, tmp_path / "annotations.json")


def annotate(folder, content):
    (folder / "annotations.json").write_text(json.dumps(content))


def run(raw, **choices):
    place = raw.features.parent
    return convert(raw, place / "out", Choices(**{"channels": 4, "tscale": 4} | choices), place / "work")


def test_videos_are_resized_and_packed_by_subset(raw, tmp_path):
    counts, findings = run(raw)
    assert counts == {"training": 1, "validation": 2}
    assert findings == json.loads((tmp_path / "out" / "findings.json").read_text()) == []
    training = open_store(tmp_path / "out", "training")
    assert training.array.shape == (1, 4, 4)
    np.testing.assert_allclose(training.read([0])[0, 0], [0.25, 1.75, 3.25, 4.75])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "annotations.json", "extractor.json", "findings.json", "ground_truth.json",
        "training.json", "training.npy", "validation.json", "validation.npy",
    ]  # fmt: skip
    assert not (tmp_path / "work").exists()


def test_a_video_that_cannot_be_decoded_is_refused_by_its_reason_or_left_out(raw, tmp_path):
    """Its duration would have come from the file."""
    reason = "clips/c.mp4: has no picture, only audio; take it out"
    annotate(tmp_path, {name: video(subset, None) for name, subset in zip("abc", ("train", "val", "val"), strict=True)})
    (raw.features / "v_c.npy").unlink()
    videos = replace(raw, extractor={}, durations={"a": 6.0, "b": 4.0}, broken={"c": reason})
    with pytest.raises(BmnError, match=f"video c: features is missing, {reason}"):
        run(videos)
    counts, findings = run(videos, strict=False)
    assert counts == {"training": 1, "validation": 1}
    assert [(finding.video, finding.problem, finding.action) for finding in findings] == [("c", reason, "dropped")]


def test_long_videos_are_cut_into_windows_and_empty_ones_are_not_trained_on(raw, tmp_path):
    annotate(
        tmp_path,
        {"v_a": video(duration=12.0, segments=((9, 11),)), "v_b": video("val", 8.0), "v_c": video("val", 4.0)},
    )
    run(raw, length="window", overlap=0.5)
    training = open_subset(tmp_path / "out", "training")
    assert [(window.start, window.end) for window in training.store.windows] == [(4.0, 12.0)]
    np.testing.assert_allclose(training.segments[0], [[5 / 8, 7 / 8]])
    np.testing.assert_array_equal(training.store.read([0])[0, 0], [2, 3, 4, 5])
    validation = open_subset(tmp_path / "out", "validation")
    assert [(window.video, window.start, window.end) for window in validation.store.windows] == [
        ("b", 0.0, 8.0),
        ("c", 0.0, 8.0),
    ]
    np.testing.assert_array_equal(validation.store.read([1])[0, 0], [0, 1, 0, 0])


@pytest.mark.parametrize(("inside", "kept"), [(0.75, 2), (0.9, 1)])
def test_a_window_is_trained_on_the_segments_that_it_holds_enough_of(raw, tmp_path, inside, kept):
    annotate(
        tmp_path,
        {"v_a": video(duration=12.0, segments=((1, 2), (5, 8.5))), "v_b": video("val"), "v_c": video("val")},
    )
    run(raw, length="window", overlap=0.5, inside=inside)
    training = open_subset(tmp_path / "out", "training")
    assert training.store.inside == inside
    assert len(training.segments[0]) == kept  # 6/7 of the second lie in the window from 0 to 8 s
    run(raw, length="window", overlap=0.5, inside=0.8)
    assert open_subset(tmp_path / "out", "training").digest != training.digest


@pytest.mark.parametrize("names", [("a", "b", "c"), ("v_a", "v_b", "v_c")])
def test_names_with_and_without_their_prefix_meet(raw, tmp_path, names):
    for path in list(raw.features.iterdir()):
        path.rename(path.with_name(path.name.removeprefix("v_")))
    annotate(tmp_path, dict(zip(names, (video(), video("val"), video("val")), strict=True)))
    assert run(raw)[0] == {"training": 1, "validation": 2}
    assert list(open_subset(tmp_path / "out", "validation").videos) == ["b", "c"]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda features: (features / "v_c.npy").unlink(), "video c: features is missing"),
        (lambda features: np.save(features / "v_d.npy", np.ones((2, 4))), "video d: annotations is missing"),
    ],
)
def test_what_has_no_counterpart_is_refused_or_left_out(raw, tmp_path, spoil, sentence):
    spoil(raw.features)
    with pytest.raises(BmnError, match=sentence):
        run(raw)
    assert not (tmp_path / "out").exists()
    _, findings = run(raw, strict=False)
    assert [finding.action for finding in findings] == ["dropped"]
    assert '"d"' not in (tmp_path / "out" / "annotations.json").read_text()


def test_mixed_channels_and_damaged_features_are_refused_and_what_was_packed_is_kept(raw, tmp_path):
    np.save(raw.features / "v_c.npy", np.ones((2, 5), dtype="float32"))
    with pytest.raises(BmnError, match=r"v_c\.npy: has the shape \(2, 5\) but must be .* 4 channels"):
        run(raw)
    assert not (tmp_path / "out").exists()
    packed = tmp_path / "work" / "processed" / "training.npy"
    changed = packed.stat().st_ino
    np.save(raw.features / "v_c.npy", np.ones((2, 4), dtype="float32"))
    run(raw)
    assert (tmp_path / "out" / "training.npy").stat().st_ino == changed


def test_other_choices_begin_anew(raw, tmp_path):
    np.save(raw.features / "v_c.npy", np.ones((2, 5), dtype="float32"))
    with pytest.raises(BmnError):
        run(raw)
    np.save(raw.features / "v_c.npy", np.ones((2, 4), dtype="float32"))
    run(raw, tscale=8)
    assert open_store(tmp_path / "out", "training").array.shape == (1, 4, 8)


def test_the_published_ground_truth_is_what_evaluation_counts(raw, tmp_path):
    database = {"b": {"subset": "validation", "duration": 10, "annotations": [{"segment": [3, 99], "label": "x"}]}}
    (tmp_path / "truth.json").write_text(json.dumps({"database": database}))
    run(Raw(raw.features, raw.annotations, ground_truth=tmp_path / "truth.json"))
    subset = open_subset(tmp_path / "out", "validation")
    assert subset.truth() == {"b": [(3.0, 99.0)]}
    assert list(subset.videos) == ["b", "c"]


def test_without_it_the_checked_annotations_are(raw, tmp_path):
    annotate(tmp_path, {"v_a": video(), "v_b": video("val", segments=((8, 12),)), "v_c": video("val")})
    run(raw, strict=False)
    assert open_subset(tmp_path / "out", "validation").truth() == {"b": [(8.0, 10.0)], "c": [(1.0, 2.0)]}


def test_an_empty_subset_is_refused(raw, tmp_path):
    annotate(tmp_path, {"v_a": video(), "v_b": video(), "v_c": video()})
    with pytest.raises(BmnError, match="'validation' holds no video"):
        run(raw)


def test_windows_that_are_too_short_for_every_segment_are_told(raw, tmp_path):
    annotate(tmp_path, {"v_a": video(segments=((0, 9),)), "v_b": video("val"), "v_c": video("val")})
    with pytest.raises(BmnError, match="no window of 2 snippets holds a segment of the training videos"):
        run(raw, length="window", tscale=2)


def test_durations_may_follow_from_features_and_subsets_from_ids(raw, tmp_path):
    names = [f"clip{number}" for number in range(12)]
    for name in names:
        np.save(raw.features / f"{name}.npy", np.ones((5, 4), dtype="float32"))
    for name in "abc":
        (raw.features / f"v_{name}.npy").unlink()
    raw.annotations.write_text("video,start,end,label\n" + "".join(f"{name},1,2,jump\n" for name in names))
    with pytest.raises(BmnError, match="duration is None"):
        run(raw)
    counts, findings = run(raw, snippet_seconds=0.5)
    assert sum(counts.values()) == 12
    assert 0 < counts["validation"] < counts["training"]
    assert {finding.action for finding in findings} == {"chosen"}
    assert {one.duration for one in open_subset(tmp_path / "out", "training").videos.values()} == {2.5}
    again, _ = run(raw, snippet_seconds=0.5)
    assert again == counts


def test_a_folder_that_cannot_be_written(raw, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BmnError, match="cannot be written"):
        convert(raw, tmp_path / "file" / "out", Choices(4, 4), tmp_path / "work")
